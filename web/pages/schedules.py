"""/schedules: what runs when, and whether it did; /schedules/ID: one of them."""

import uuid
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob
from errors import BadArguments, BadRequest, Conflict, NotFound
from runtime.triggers import PlannedRun, build, zone_of
from services import schedules
from services.masking import MASK
from services.pauses import FOREVER, Span
from services.schedules import ScheduleSpec, calendar, lists, words
from web import edits
from web.caller import CurrentCaller
from web.pages import charts, flash, pausing, schedule_changes
from web.pages.login import inside
from web.pages.rendering import render, wanted
from web.pages.schedule_form import masked
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

SIZE = 50
MOST_SELECTED = 200
_UPCOMING = 20
_COLLIDING = 10  # of the next runs are looked at
_HISTORY = 50
_DRAWN = 100  # runs
_OFF = (("", "until somebody turns it on"), *pausing.LENGTHS)
Verb = Literal["enable", "disable", "run"]


@router.get("/schedules")
async def page(
    request: Request,
    session: Transaction,
    text: Annotated[str, Query(max_length=200)] = "",
    show: Annotated[lists.Show, Query()] = "all",
    source: Annotated[lists.Source, Query()] = "all",
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    found = await lists.page(session, text=text.strip(), show=show, source=source, after=after, limit=SIZE + 1)
    listed = found[:SIZE]
    now = await schedules.moment(session)
    asked = {"text": text, "show": show, "source": source}
    return render(
        request, "schedules.html", schedules=listed, latest=await lists.latest(session, [one.id for one in listed]),
        next_of=lambda one: _next(one, now), is_off=lambda one: schedules.is_off(one, now), late=now - lists.LATE,
        words=words, pace_of=lists.pace,
        text=text, show=show, shows=lists.SHOWS, source=source, sources=lists.SOURCES, is_first=after is None,
        address=f"/schedules?{urlencode(asked | ({'after': after} if after else {}))}",
        next=f"/schedules?{urlencode(asked | {'after': listed[-1].name})}" if len(found) > SIZE else None,
    )  # fmt: skip


@router.get("/schedules/calendar")
async def week(request: Request, session: Transaction, zone: Annotated[str, Query(max_length=100)] = "UTC") -> Response:
    """The runs of the next seven days, by the hour."""
    try:
        clock, wrong = zone_of(zone, "zone"), ""
    except BadArguments as error:
        clock, wrong = zone_of("UTC"), str(error)
    found = await calendar.week(session, await schedules.moment(session))
    busiest = sorted((hour for hour in found.hours if hour.runs), key=lambda hour: -hour.runs)[:5]
    local = [(hour.starts_at.astimezone(clock), hour) for hour in found.hours]
    days = sorted({at.date() for at, _ in local})
    cells = [(days.index(at.date()), at.hour, hour) for at, hour in local]
    quarters: Counter[tuple[int, int]] = Counter()  # runs in six hours of a day
    for day, of_day, hour in cells:
        quarters[day, of_day // 6] += hour.runs
    return render(
        request, "schedules/calendar.html", status=422 if wrong else 200, week=found, busiest=busiest, zone=zone,
        clock=clock, wrong=wrong, days=days, cells=cells, quarters=quarters,
        most=max((hour.runs for hour in found.hours), default=0),
    )  # fmt: skip


@router.post("/schedules/selected")
async def ask_about_selected(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    verb: Annotated[Verb, Form()],
    to: Annotated[str, Form()] = "/schedules",
    schedule: Annotated[list[uuid.UUID] | None, Form(max_length=MOST_SELECTED)] = None,
) -> Response:
    """Name them, and ask."""
    caller.require("operate")
    found = await lists.some(session, schedule or [])
    if not found:
        return flash.redirect(inside(to), "No schedule was selected.", bad=True)
    return _many(request, verb, found, inside(to), pausing.Typed())


@router.post("/schedules/act")
async def act_on_selected(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    verb: Annotated[Verb, Form()],
    schedule: Annotated[list[uuid.UUID], Form(max_length=MOST_SELECTED)],
    typed: pausing.Asked,
    to: Annotated[str, Form()] = "/schedules",
) -> Response:
    """Do it to each; those to which it makes no sense are left as they are."""
    caller.require("operate")
    try:
        span = typed.span()
    except BadArguments as error:
        return _many(request, verb, await lists.some(session, schedule), inside(to), typed, error)
    done, refusals = 0, []
    for schedule_id in schedule:
        try:
            async with session.begin_nested():
                await _act(session, schedule_id, verb, caller.name, typed.reason, span)
            done += 1
        except (BadRequest, Conflict, NotFound) as error:
            refusals.append(str(error))
    word = {"enable": "turned on", "disable": "turned off", "run": "run"}[verb]
    said = f"{done} of {len(schedule)} schedules were {word}."
    return flash.redirect(inside(to), " ".join([said, *refusals[:1]]), bad=not done)


@router.get("/schedules/{schedule_id}")
async def one(
    request: Request,
    session: Transaction,
    schedule_id: uuid.UUID,
    page: Annotated[int, Query(ge=1, le=1_000)] = 1,
) -> Response:
    schedule = await schedules.get(session, schedule_id)
    values: dict[str, Any] = {"schedule": schedule, "page": page}
    if wanted(request) in (None, "life"):
        now = await schedules.moment(session)
        values |= {
            "sentence": words.in_words(schedule.job_type, schedule.schedule_config),
            "expression": words.expression(schedule.job_type, schedule.schedule_config),
            "upcoming": await _upcoming(session, schedule),
            "late": now - lists.LATE,
            "is_off": schedules.is_off(schedule, now),
        }
    if wanted(request) in (None, "history"):
        history = await schedules.executions(session, schedule_id=schedule_id, page=page, per_page=_HISTORY + 1)
        values |= {"history": history[:_HISTORY], "has_more": len(history) > _HISTORY}
    if wanted(request) in (None, "charts"):
        runs = (await lists.latest(session, [schedule_id], _DRAWN)).get(schedule_id, [])
        only = f"schedule:{schedule_id}"
        values |= {
            "lengths": charts.lengths(runs, only), "lateness": charts.lateness(runs, only), "pace": lists.pace(runs),
        }  # fmt: skip
    if wanted(request) is None:
        versions = await schedules.versions(session, schedule_id)
        colliding = await lists.collisions(session, values["upcoming"][:_COLLIDING], schedule_id)
        values |= {"collisions": colliding, "most_colliding": lists.MOST_COLLIDING}
        values |= {"versions": versions, "changes": schedule_changes.of_versions(versions), "args": masked(schedule)}
    return render(request, "schedules/schedule.html", **values)


@router.get("/schedules/{schedule_id}/run")
async def ask_to_run(request: Request, session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID) -> Response:
    """Ask, and offer to change the arguments for this once."""
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    return _run_form(request, schedule, _pretty(masked(schedule)))


@router.post("/schedules/{schedule_id}/run")
async def run(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    schedule_id: uuid.UUID,
    task_args: Annotated[str, Form(max_length=300_000)] = "",
) -> Response:
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    try:
        async with session.begin_nested():
            given = _read(task_args, schedule) if task_args.strip() else None
            execution = await schedules.trigger(session, schedule_id, who=caller.name, task_args=given)
    except BadRequest as error:
        return _run_form(request, schedule, task_args, str(error))
    if execution.job_id is None:
        return flash.redirect(f"/schedules/{schedule_id}", "It would have run: the schedule only records that.")
    return flash.redirect(f"/jobs/{execution.job_id}", f"{schedule.name} runs now: this is its job.")


@router.get("/schedules/{schedule_id}/delete")
async def ask_to_delete(
    request: Request, session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID
) -> Response:
    caller.require("operate")
    return render(request, "schedules/delete.html", schedule=await schedules.get(session, schedule_id))


@router.post("/schedules/{schedule_id}/delete")
async def delete(session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID) -> Response:
    caller.require("operate")
    name = (await schedules.get(session, schedule_id)).name
    try:
        await schedules.delete(session, schedule_id, who=caller.name)
    except Conflict as error:
        return flash.redirect(f"/schedules/{schedule_id}", str(error), bad=True)
    return flash.redirect("/schedules", f"{name} was deleted.")


@router.post("/schedules/{schedule_id}/restore")
async def restore(
    session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID, version: Annotated[int, Form(ge=1)]
) -> Response:
    """Make it again what it was at a version, as a new one."""
    caller.require("operate")
    here = f"/schedules/{schedule_id}"
    found = [one for one in await schedules.versions(session, schedule_id) if one.version == version]
    if not found:
        raise NotFound(f"This schedule has no version {version}.")
    try:
        async with session.begin_nested():
            spec = ScheduleSpec.parse(found[0].document)
            made = await schedules.replace(session, schedule_id, spec, who=caller.name)
    except (BadRequest, Conflict) as error:
        return flash.redirect(here, str(error), bad=True)
    return flash.redirect(here, f"It is as it was at version {version}; that is version {made.version} now.")


@router.get("/schedules/{schedule_id}/disable")
async def ask_to_turn_off(
    request: Request, session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID
) -> Response:
    """Ask why, and for how long."""
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    schedules.require_changeable(schedule)
    return _off_form(request, schedule, pausing.Typed())


@router.post("/schedules/{schedule_id}/disable")
async def turn_off(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    schedule_id: uuid.UUID,
    typed: pausing.Asked,
    to: Annotated[str, Form()] = "",
) -> Response:
    caller.require("operate")
    back = inside(to) if to else f"/schedules/{schedule_id}"
    schedule = await schedules.get(session, schedule_id)
    try:
        async with session.begin_nested():
            schedule = await _act(session, schedule_id, "disable", caller.name, typed.reason, typed.span())
    except BadArguments as error:
        await session.refresh(schedule)  # what was read of it within the savepoint is gone with that
        return _off_form(request, schedule, typed, error)
    except Conflict as error:
        return flash.redirect(back, str(error), bad=True)
    end = f"{schedule.off_until:%Y-%m-%d %H:%M} UTC" if schedule.off_until else "it is on again"
    return flash.redirect(back, f"{schedule.name} is off: it makes no run until {end}.")


@router.post("/schedules/{schedule_id}/enable")
async def turn_on(
    session: Transaction, caller: CurrentCaller, schedule_id: uuid.UUID, to: Annotated[str, Form()] = ""
) -> Response:
    caller.require("operate")
    back = inside(to) if to else f"/schedules/{schedule_id}"
    try:
        async with session.begin_nested():
            schedule = await _act(session, schedule_id, "enable", caller.name)
    except (BadRequest, Conflict) as error:
        return flash.redirect(back, str(error), bad=True)
    return flash.redirect(back, f"{schedule.name} is on: it goes on with its next run.")


async def _act(
    session: AsyncSession, schedule_id: uuid.UUID, verb: Verb, who: str, reason: str = "", span: Span = FOREVER
) -> ScheduledJob:
    if verb == "run":
        await schedules.trigger(session, schedule_id, who=who)
        return await schedules.get(session, schedule_id)
    if verb == "enable":
        return await schedules.set_enabled(session, schedule_id, True, who=who)
    return await schedules.turn_off(session, schedule_id, who=who, reason=reason.strip() or None, span=span)


def _off_form(
    request: Request, schedule: ScheduledJob, typed: pausing.Typed, wrong: BadArguments | None = None
) -> Response:
    return render(
        request, "schedules/off.html", status=422 if wrong else 200, schedule=schedule, typed=typed, choices=_OFF,
        wrong={wrong.path: str(wrong)} if wrong else {},
    )  # fmt: skip


def _many(
    request: Request, verb: Verb, found: list[ScheduledJob], to: str, typed: pausing.Typed,
    wrong: BadArguments | None = None,
) -> Response:  # fmt: skip
    return render(
        request, "schedules/many.html", status=422 if wrong else 200, verb=verb, schedules=found, to=to, typed=typed,
        choices=_OFF, wrong={wrong.path: str(wrong)} if wrong else {},
    )  # fmt: skip


def _run_form(request: Request, schedule: ScheduledJob, typed: str, wrong: str = "") -> Response:
    return render(
        request, "schedules/run.html", status=422 if wrong else 200, schedule=schedule, typed=typed, wrong=wrong,
        mask=MASK,
    )  # fmt: skip


def _read(text: str, schedule: ScheduledJob) -> dict[str, Any] | list[Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadArguments(f"This is not JSON: {error}.", "task_args") from None
    if not isinstance(value, dict | list):
        raise BadArguments("Write a JSON object (by name) or array (by place).", "task_args")
    return edits.of_schedule(value, schedule.task_function, schedule)


def _next(schedule: ScheduledJob, now: datetime) -> datetime | None:
    """Its next run; for one that periodiq triggers, the time that its expression names."""
    if schedule.next_run_at is not None or schedule.kind == "table" or not schedule.enabled:
        return schedule.next_run_at
    try:
        trigger = build(
            schedule.job_type, schedule.schedule_config, zone_of(schedule.time_zone), schedule.anchor_at
        )  # fmt: skip
    except BadArguments:
        return None
    return trigger.next_after(now)


async def _upcoming(session: AsyncSession, schedule: ScheduledJob) -> list[PlannedRun]:
    if not schedule.enabled or (schedule.kind == "table" and schedule.next_run_at is None):
        return []
    try:
        runs = await schedules.preview(
            session, schedule.job_type, schedule.schedule_config, schedule.time_zone, _UPCOMING,
            start_at=schedule.start_at, anchor_at=schedule.anchor_at, not_before=schedule.off_until,
        )  # fmt: skip
    except BadArguments:  # a kind of trigger that this process does not have
        return []
    left = None if schedule.repeat is None else max(0, schedule.repeat - schedule.runs)
    return [run for run in runs if schedule.end_at is None or run.at <= schedule.end_at][:left]


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
