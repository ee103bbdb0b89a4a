"""/actors: what can be run; /actors/NAME: one actor, and a form that enqueues a job of it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from errors import BadArguments, BadRequest, Conflict, Forbidden
from services import actors, audit, errors, limits, signatures, statistics, submissions
from services.jobs import Options
from services.masking import MASK, masking
from services.signatures import Wrong
from services.submissions import Submission
from web.caller import CurrentCaller
from web.pages import charts, flash, pausing
from web.pages.formats import duration
from web.pages.names import Name
from web.pages.overview import PERIODS, Period
from web.pages.query import quoted
from web.pages.rendering import render, wanted
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

FIELD = "arg."  # stands before the name of an argument's field
OPTIONS = ("queue", "priority", "delay", "run_at", "unique_key", "tags")
_ERRORS = 5
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


@router.get("/actors")
async def page(request: Request, session: Transaction, period: Annotated[Period, Query()] = "24h") -> Response:
    figures = {one.actor: one for one in await statistics.by_actor(session, PERIODS[period], most=1_000)}
    declared = await actors.listed(session)
    names = {actor.name for actor in declared}
    return render(
        request, "actors.html", actors=declared, figures=figures, others=sorted(figures.keys() - names),
        period=period, periods=list(PERIODS), minutes=PERIODS[period].total_seconds() / 60,
    )  # fmt: skip


@router.get("/actors/{name}")
async def one(
    request: Request, session: Transaction, name: Name, period: Annotated[Period, Query()] = "24h"
) -> Response:
    length = PERIODS[period]
    known = await actors.known(session, name)
    values: dict[str, Any] = {"known": known, "name": name, "period": period, "periods": list(PERIODS)}
    if wanted(request) in (None, "figures"):
        values |= {
            "figures": await statistics.of_actor(session, name, length),
            "minutes": length.total_seconds() / 60,
            "limits": [(name, limit) for limit in await limits.of_actor(session, name)],
        }
    if wanted(request) in (None, "charts"):
        only = f"actor:{quoted(name)}"
        hours = max(1, int(length.total_seconds() // 3600))
        values |= {
            "throughput": charts.throughput(await statistics.throughput(session, length, actor=name), only),
            "latency": charts.latency(await statistics.latency(session, length, actor=name), only),
            "troubles": await errors.groups(session, hours, actor=name, most=_ERRORS),
        }
    if wanted(request) is None:
        values["words"] = _words(known.options) if known.declared else []
    return render(request, "actors/actor.html", **values)


@router.get("/actors/{name}/pause")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    """Ask why, and for how long."""
    caller.require("operate")
    await actors.get(session, name)
    return pausing.question(request, "actor", name, pausing.Effect())


@router.post("/actors/{name}/pause")
async def pause(
    request: Request, session: Transaction, caller: CurrentCaller, name: Name, typed: pausing.Asked
) -> Response:
    caller.require("operate")
    await actors.get(session, name)
    try:
        until = await actors.pause(session, name, who=caller.name, reason=typed.reason, span=typed.span())
    except BadArguments as error:
        return pausing.question(request, "actor", name, pausing.Effect(), typed, error)
    except Conflict as error:
        return flash.redirect(f"/actors/{name}", str(error), bad=True)
    end = "that is over" if until else "it is resumed"
    return flash.redirect(f"/actors/{name}", f"It is paused: none of its jobs is started until {end}.")


@router.post("/actors/{name}/resume")
async def resume(session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("operate")
    try:
        await actors.resume(session, name, who=caller.name)
    except Conflict as error:
        return flash.redirect("/actors", str(error), bad=True)
    return flash.redirect(f"/actors/{name}", "It goes on.")


@router.get("/actors/{name}/enqueue")
async def form(request: Request, session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("enqueue")
    return _form(request, await actors.get(session, name), {}, {})


@router.post("/actors/{name}/enqueue")
async def enqueue(request: Request, session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    """A job of it, or the form again with what is wrong at its field."""
    caller.require("enqueue")
    actor = await actors.get(session, name)
    typed = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    arguments = signatures.read(
        actors.declared(name),
        {key.removeprefix(FIELD): value.replace("\r\n", "\n") for key, value in typed.items() if key.startswith(FIELD)},
    )
    options, wrong = _options(typed, caller.name)
    if isinstance(arguments, Wrong):
        wrong = {FIELD + key: message for key, message in arguments.messages.items()} | wrong
    if wrong or options is None or isinstance(arguments, Wrong):
        return _form(request, actor, typed, wrong)
    try:
        async with session.begin_nested():
            wanted_job = Submission(name, arguments.args, arguments.kwargs, options)
            (job,) = (await submissions.submit(session, caller, [wanted_job])).jobs
    except (BadRequest, Forbidden) as error:
        return _form(request, actor, typed, {_field(error, name): str(error)})
    if not job.created:
        return flash.redirect(f"/jobs/{job.id}", "No job was made: this one has the same unique key and has not ended.")
    audit.note(session, caller.name, "job.enqueue", job_id=job.id, target=name)
    return flash.redirect(f"/jobs/{job.id}", "It is enqueued.")


def _form(request: Request, actor: actors.DeclaredActor, typed: Mapping[str, str], wrong: dict[str, str]) -> Response:
    parameters = signatures.parameters(actors.declared(actor.name))
    names = {FIELD + parameter.name for parameter in parameters} | set(OPTIONS)
    return render(
        request, "actors/enqueue.html", status=422 if wrong else 200, actor=actor, parameters=parameters, typed=typed,
        wrong={key: message for key, message in wrong.items() if key in names},
        others=[message for key, message in wrong.items() if key not in names],
        secret={one.name for one in parameters if masking().value("-", one.name) == MASK},
        written=signatures.WRITTEN, queues=actors.queues(), prefix=FIELD,
    )  # fmt: skip


_PLACED = ("positional", "either", "rest")  # how parameters take a value by its place


def _field(error: BadRequest | Forbidden, name: Name) -> str:
    """Which field it is about; empty if it is none of them."""
    path = error.path if isinstance(error, BadArguments) else ""
    word = re.match(r"(?:kwargs\.)?(\w+)", path) or re.match(r"(\w+)", str(error))
    found = word[1] if word else ""
    place = re.match(r"args\[(\d+)\]", path)
    if place:
        placed = [one for one in signatures.parameters(actors.declared(name)) if one.how in _PLACED]
        found = placed[min(int(place[1]), len(placed) - 1)].name  # the last one may take all the rest
    return found if found in OPTIONS and not path else FIELD + found


def _options(typed: Mapping[str, str], owner: str) -> tuple[Options | None, dict[str, str]]:
    """What was asked for besides the arguments, and what is wrong with that, by field."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, read in _READ.items():
        text = typed.get(name, "").strip()
        if text:
            try:
                values[name] = read(text)
            except ValueError as error:
                wrong[name] = str(error)
    try:
        return Options(**values, owner=owner), wrong
    except BadRequest as error:
        return None, wrong | {_field(error, ""): str(error)}


def _queue(text: str) -> str:
    if text not in actors.queues():
        raise ValueError(f"No actor is declared for the queue {text!r}.")
    return text


def _priority(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("Write a whole number; lower runs first.") from None


def _delay(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?([smhd]?)", text)
    if not found:
        raise ValueError("Write a number and s, m, h or d: 90s, 5m, 2h, 1d.")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise ValueError("That is too long.") from None


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("This is no time. Write it like 2026-11-25T09:30.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _tags(text: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())


_READ: dict[str, Callable[[str], Any]] = {
    "queue": _queue, "priority": _priority, "delay": _delay, "run_at": _moment, "unique_key": str, "tags": _tags,
}  # fmt: skip


def _words(options: Mapping[str, Any]) -> list[str]:
    """What an actor's options mean."""
    words = [_of_retries(options)]
    if options.get("throws"):
        words.append(f"Not tried again after {', '.join(options['throws'])}.")
    for name, text in (
        ("time_limit", "An attempt is ended after {}."),
        ("soft_time_limit", "It is told to finish after {}."),
        ("max_age", "Not started once it is {} old."),
    ):
        if options.get(name):
            words.append(text.format(duration(options[name] / 1000)))
    if options.get("expires"):
        words.append(f"Cancelled if it has not started {duration(options['expires'])} after it was due.")
    if options.get("periodic"):
        words.append(f"Runs by itself: {options['periodic']} (cron).")
    return words


def _of_retries(options: Mapping[str, Any]) -> str:
    most = options["max_retries"]
    if most == 0:
        return "Never tried again."
    least, longest = (duration(options[name] / 1000) for name in ("min_backoff", "max_backoff"))
    times = "without limit" if most is None else f"up to {most} time{'s' if most != 1 else ''}"
    return f"Tried again {times}: {least} after the first failure, then twice as long each time, {longest} at most."
