"""/schedules/new and /schedules/ID/edit: a schedule as a form, with its next runs while it is filled in."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob
from errors import BadArguments, BadRequest, Conflict
from runtime.triggers import ZONES, PlannedRun, zone_of
from services import actors, schedules, signatures
from services.masking import MASK, masking
from services.schedules import ScheduleSpec, calendar, lists, words
from services.signatures import Wrong
from web import edits
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.moments import moment
from web.pages.rendering import render
from web.pages.schedule_changes import Change, between
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

FIELD = "arg."  # stands before the name of an argument's field
UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
NUMBERS: dict[str, Callable[[str], float]] = {
    "jitter": float,
    "misfire_grace": float,
    "misfire_max": int,
    "repeat": int,
    "priority": int,
}
TEXTS = ("name", "description", "task_function", "job_type", "time_zone", "misfire", "overlap")
_SHOWN = 10  # runs

Typed = dict[str, str]


@dataclass
class Preview:
    """What a configuration would do, or what is wrong with it."""

    sentence: str = ""
    runs: list[PlannedRun] = field(default_factory=list)
    a_day: float = 0.0
    zone: str = "UTC"
    problem: str = ""
    collisions: list[lists.Collision] = field(default_factory=list)


@router.get("/schedules/new")
async def new(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    actor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    caller.require("operate")
    typed = {
        "task_function": actor, "job_type": "cron", "expression": "0 9 * * mon-fri", "time_zone": "UTC",
        "every": "5", "unit": "minutes", "overlap": "skip", "misfire": "run_once", "misfire_grace": "5",
        "misfire_max": "1", "jitter": "0", "enabled": "true", "task_args": "{}",
    }  # fmt: skip
    return await _form(request, session, typed)


@router.post("/schedules/new")
async def create(request: Request, session: Transaction, caller: CurrentCaller) -> Response:
    caller.require("operate")
    return await _filled_in(request, session, caller.name, None)


@router.post("/schedules/preview")
async def preview(
    request: Request, session: Transaction, caller: CurrentCaller, of: Annotated[uuid.UUID | None, Query()] = None
) -> Response:
    """The part of the form that shows what comes next."""
    caller.require("operate")
    schedule = await schedules.get(session, of) if of else None
    return await _form(request, session, await _typed(request), schedule)


@router.get("/schedules/{schedule_id}/edit")
async def edit(request: Request, session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID) -> Response:
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    schedules.require_changeable(schedule)
    return await _form(request, session, _of(schedule), schedule)


@router.post("/schedules/{schedule_id}/edit")
async def edited(request: Request, session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID) -> Response:
    caller.require("operate")
    return await _filled_in(request, session, caller.name, await schedules.get(session, schedule_id))


async def _filled_in(request: Request, session: AsyncSession, who: str, schedule: ScheduledJob | None) -> Response:
    """Saved; or the form again, with what is wrong at its field, or as it was asked for."""
    typed = await _typed(request)
    intent = typed.get("intent", "save")
    if intent != "save":
        if intent in ("json", "fields"):
            typed["args_as"] = intent
        return await _form(request, session, typed, schedule)
    spec, wrong = _spec(typed, schedule)
    if spec is None or wrong:
        return await _form(request, session, typed, schedule, wrong)
    try:
        async with session.begin_nested():
            if schedule is None:
                made = await schedules.create(session, spec, who=who)
            else:
                made = await schedules.replace(session, schedule.id, spec, who=who, version=_version(typed, schedule))
    except (BadRequest, Conflict) as error:
        if schedule is not None:
            await session.refresh(schedule)  # what was read of it within the savepoint is gone with that
        return await _form(request, session, typed, schedule, _located(error, typed))
    said = "It is made." if schedule is None else f"It is saved as version {made.version}."
    return flash.redirect(f"/schedules/{made.id}", said)


async def _form(
    request: Request,
    session: AsyncSession,
    typed: Typed,
    schedule: ScheduledJob | None = None,
    wrong: dict[str, str] | None = None,
) -> Response:
    wrong = wrong or {}
    actor = typed.get("task_function", "")
    known = actor in actors.names()
    parameters = signatures.parameters(actors.declared(actor)) if known else []
    as_json = typed.get("args_as") == "json"
    shown = {FIELD + one.name for one in parameters} if not as_json else {"task_args"}
    return render(
        request, "schedules/form.html", status=422 if wrong else 200, schedule=schedule, typed=typed, wrong=wrong,
        others=[message for name, message in wrong.items() if name not in shown | set(_PLACES)],
        parameters=parameters, as_json=as_json, known=known, prefix=FIELD, written=signatures.WRITTEN, mask=MASK,
        secret={one.name for one in parameters if masking().value("-", one.name) == MASK},
        actors=actors.written_by_people(), queues=[(name, name) for name in actors.queues()],
        kinds=await schedules.job_types(session),
        off_until=await _off_until(session, schedule), zones=sorted(ZONES),
        most_colliding=lists.MOST_COLLIDING,
        preview=await _preview(session, typed, schedule), changes=_changes(typed, schedule),
    )  # fmt: skip


_PLACES = (
    *TEXTS, *NUMBERS, "expression", "every", "run_at", "config", "start_at", "end_at", "queue", "task_args",
)  # fmt: skip


async def _typed(request: Request) -> Typed:
    fields = (await request.form()).items()
    return {name: value.replace("\r\n", "\n") for name, value in fields if isinstance(value, str)}


async def _preview(session: AsyncSession, typed: Typed, schedule: ScheduledJob | None) -> Preview:
    zone = typed.get("time_zone") or "UTC"
    try:
        config = _config(typed, schedule)
        kind, start_at = typed.get("job_type", ""), _moment(typed, "start_at")
        anchor = schedule.anchor_at if schedule and _is_as_it_was(schedule, kind, config, zone, start_at) else None
        runs = await schedules.preview(
            session, kind, config, zone, _SHOWN, start_at=start_at, anchor_at=anchor,
            not_before=schedule.off_until if schedule else None,
        )  # fmt: skip
        end_at = _moment(typed, "end_at")
        runs = [run for run in runs if end_at is None or run.at <= end_at]
        a_day = await calendar.a_day(kind, config, zone, runs[0].at - timedelta(seconds=1)) if runs else 0.0
    except BadArguments as error:
        return Preview(problem=str(error), zone=zone)
    sentence = words.in_words(kind, config)
    if not runs:
        return Preview(sentence, zone=zone, problem="It never comes due.")
    others = await lists.collisions(session, runs, schedule.id if schedule else None)
    return Preview(sentence, runs, a_day, zone, collisions=others)


async def _off_until(session: AsyncSession, schedule: ScheduledJob | None) -> datetime | None:
    """While it is off for a while: to when."""
    if schedule is None or not schedules.is_off(schedule, await schedules.moment(session)):
        return None
    return schedule.off_until


def _changes(typed: Typed, schedule: ScheduledJob | None) -> list[Change] | None:
    """What saving would change; None: that cannot be said of what is typed, or there is nothing to be changed."""
    if schedule is None:
        return None
    spec, _ = _spec(typed, schedule)
    if spec is None:
        return None
    return between(schedules.spec_of(schedule).model_dump(mode="json"), spec.model_dump(mode="json"))


def _is_as_it_was(
    schedule: ScheduledJob, kind: str, config: dict[str, Any], zone: str, start_at: datetime | None
) -> bool:
    """Then its intervals go on from where they have counted so far."""
    before = (schedule.job_type, schedule.schedule_config, schedule.time_zone, schedule.start_at)
    return before == (kind, config, zone, start_at)


def _spec(typed: Typed, schedule: ScheduledJob | None) -> tuple[ScheduleSpec | None, dict[str, str]]:
    """The schedule that the form describes, and what is wrong with it, by field."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {name: typed[name] for name in (*TEXTS, "queue") if typed.get(name, "").strip()}
    values |= {"enabled": "enabled" in typed, "shadow": "shadow" in typed}
    values["owner"] = schedule.owner if schedule else None
    for name, read in _readers(typed, schedule).items():
        try:
            values[name] = read()
        except BadArguments as error:
            wrong |= _located(error, typed)
        except _Wrongs as error:
            wrong |= error.messages
    if wrong:
        return None, wrong
    try:
        spec = ScheduleSpec.parse(values)
        spec.check()
    except BadArguments as error:
        return None, _located(error, typed)
    return spec, {}


def _readers(typed: Typed, schedule: ScheduledJob | None) -> dict[str, Callable[[], Any]]:
    """What has to be read, each of which may fail."""
    return {
        "name": partial(_needed, typed, "name", "Give it a name."),
        "task_function": partial(_needed, typed, "task_function", "Choose the actor that it runs."),
        **{name: partial(_number, typed, name) for name in NUMBERS if typed.get(name, "").strip()},
        "start_at": partial(_moment, typed, "start_at"),
        "end_at": partial(_moment, typed, "end_at"),
        "schedule_config": partial(_config, typed, schedule),
        "task_args": partial(_args, typed, schedule),
    }


def _version(typed: Typed, schedule: ScheduledJob) -> int:
    """The one that the form was made from. Raises BadArguments."""
    try:
        return int(typed.get("version") or schedule.version)
    except ValueError:
        raise BadArguments("This form is damaged: open it again from the schedule's page.", "version") from None


def _needed(typed: Typed, name: str, otherwise: str) -> str:
    if not typed.get(name, "").strip():
        raise BadArguments(otherwise, name)
    return typed[name]


def _number(typed: Typed, name: str) -> float:
    try:
        return NUMBERS[name](typed[name])
    except ValueError:
        kind = "a whole number" if NUMBERS[name] is int else "a number of seconds"
        raise BadArguments(f"Write {kind}.", name) from None


class _Wrongs(Exception):
    """Messages by field."""

    def __init__(self, messages: dict[str, str]) -> None:
        self.messages = messages


def _args(typed: Typed, schedule: ScheduledJob | None) -> dict[str, Any] | list[Any]:
    """Raises BadArguments or _Wrongs. What is shown masked and was not touched stays as it is."""
    actor = typed.get("task_function", "")
    if typed.get("args_as") == "json" or actor not in actors.names():
        value = _json(typed.get("task_args", "").strip() or "{}", "task_args")
        if not isinstance(value, dict | list):
            raise BadArguments("Write a JSON object (by name) or array (by place).", "task_args")
        return edits.of_schedule(value, actor, schedule)
    fields = {name.removeprefix(FIELD): text for name, text in typed.items() if name.startswith(FIELD)}
    if schedule and schedule.task_function == actor and isinstance(schedule.task_args, dict):
        was, shown = _texts(schedule.task_args), _texts(masking().value(schedule.task_args))
        fields |= {name: was[name] for name, text in fields.items() if text == shown.get(name)}
    found = signatures.read(actors.declared(actor), fields)
    if isinstance(found, Wrong):
        raise _Wrongs({FIELD + name: message for name, message in found.messages.items()})
    if found.args and found.kwargs:
        raise BadArguments(
            "A schedule gives its arguments all by name or all by place: write them as JSON.", "task_args"
        )
    return edits.of_schedule(found.args or found.kwargs, actor, schedule)


def _config(typed: Mapping[str, str], schedule: ScheduledJob | None) -> dict[str, Any]:
    """An interval that is as long as it was stays as it was written: 24 hours, not a day. Raises BadArguments."""
    kind = typed.get("job_type", "")
    if kind == "cron":
        return {"expression": typed.get("expression", "").strip()}
    if kind == "date":
        return {"run_at": typed.get("run_at", "").strip()}
    if kind == "interval":
        try:
            config = {typed.get("unit", "minutes"): int(typed.get("every", ""))}
        except ValueError:
            raise BadArguments("Write a whole number.", "schedule_config") from None
        is_the_same = schedule and schedule.job_type == kind and _seconds(schedule.schedule_config) == _seconds(config)
        return schedule.schedule_config if schedule and is_the_same else config
    value = _json(typed.get("config", "").strip() or "{}", "schedule_config")
    if not isinstance(value, dict):
        raise BadArguments("Write a JSON object.", "schedule_config")
    return value


def _seconds(interval: Mapping[str, int]) -> int:
    """Of units that there are not, none: what is wrong with them is said later."""
    return sum(UNITS.get(unit, 0) * number for unit, number in interval.items())


def _json(text: str, path: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadArguments(f"This is not JSON: {error}.", path) from None


def _moment(typed: Mapping[str, str], name: str) -> datetime | None:
    """On the schedule's own clock. Raises BadArguments."""
    text = typed.get(name, "").strip()
    return moment(text, zone_of(typed.get("time_zone") or "UTC"), name) if text else None


def _located(error: BadRequest | Conflict, typed: Mapping[str, str]) -> dict[str, str]:
    """The field that it is about."""
    path = error.path if isinstance(error, BadArguments) else ""
    text = str(error)
    if isinstance(error, Conflict) and "named" in text:
        path = "name"
    if path.startswith("schedule_config"):
        kind = typed.get("job_type", "")
        path = {"cron": "expression", "interval": "every", "date": "run_at"}.get(kind, "config")
    return {path.partition(".")[0].partition("[")[0]: text}


def _of(schedule: ScheduledJob) -> Typed:
    """The form as it describes a schedule."""
    zone = zone_of(schedule.time_zone)
    typed = {name: str(getattr(schedule, name) or "") for name in (*TEXTS, "queue")}
    for name in NUMBERS:
        value = getattr(schedule, name)
        typed[name] = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    typed |= {name: "true" for name in ("enabled", "shadow") if getattr(schedule, name)}
    for name in ("start_at", "end_at"):
        at: datetime | None = getattr(schedule, name)
        typed[name] = f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}" if at else ""
    return typed | _typed_config(schedule) | _typed_args(schedule) | {"version": str(schedule.version)}


def _typed_config(schedule: ScheduledJob) -> Typed:
    config = schedule.schedule_config
    typed = {"expression": "", "every": "5", "unit": "minutes", "run_at": "", "config": _pretty(config)}
    if schedule.job_type == "interval":
        seconds = _seconds(config)
        unit = next(unit for unit, length in UNITS.items() if seconds % length == 0)
        return typed | {"every": str(seconds // UNITS[unit]), "unit": unit}
    return typed | {name: str(config.get(name, "")) for name in ("expression", "run_at")}


def _typed_args(schedule: ScheduledJob) -> Typed:
    """In fields, where there is one for each argument; as JSON otherwise."""
    args = schedule.task_args
    shown: Any = masked(schedule)
    typed = {"task_args": _pretty(shown), "args_as": "json"}
    if schedule.task_function not in actors.names() or isinstance(args, list):
        return typed
    found = signatures.parameters(actors.declared(schedule.task_function))
    if not args.keys() <= {one.name for one in found if one.how in ("either", "named")}:
        return typed
    return typed | {"args_as": "fields"} | {FIELD + name: text for name, text in _texts(shown).items()}


def _texts(values: Mapping[str, Any]) -> Typed:
    """Arguments as they stand in their fields."""
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in values.items()
        if value is not None
    }


def masked(schedule: ScheduledJob) -> dict[str, Any] | list[Any]:
    """Its arguments as they may be shown."""
    return masking().task_args(schedule.task_function, schedule.task_args)


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
