"""/schedules/ID/backfill: the runs of a span that is past, counted first, then made."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob
from errors import BadArguments, Conflict
from runtime.triggers import zone_of
from services import schedules
from services.schedules import Backfill
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.moments import moment
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_SHOWN = 20
_MOST_APART = 86_400
Text = Annotated[str, Query(max_length=50)]
Typed = Annotated[str, Form(max_length=50)]


@router.get("/schedules/{schedule_id}/backfill")
async def ask(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    schedule_id: uuid.UUID,
    start: Text = "",
    end: Text = "",
    apart: Text = "0",
) -> Response:
    """Ask for the span; once it is given, say what would be made."""
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    return await _form(request, session, schedule, {"start": start, "end": end, "apart": apart})


@router.post("/schedules/{schedule_id}/backfill")
async def make(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    schedule_id: uuid.UUID,
    start: Typed = "",
    end: Typed = "",
    apart: Typed = "0",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    caller.require("operate")
    schedule = await schedules.get(session, schedule_id)
    typed = {"start": start, "end": end, "apart": apart, "reason": reason}
    try:
        span = _span(schedule, typed)
        seconds = _seconds(apart)
        async with session.begin_nested():
            made = await schedules.backfill(
                session, schedule_id, *span, who=caller.name, reason=reason or None, apart=seconds
            )
    except (BadArguments, Conflict) as error:
        return await _form(request, session, schedule, typed, error)
    number = len(made.missing)
    said = f"{number:,} run{'s' if number != 1 else ''} of {schedule.name} {'were' if number != 1 else 'was'} made."
    return flash.redirect(f"/schedules/{schedule_id}", said)


async def _form(
    request: Request,
    session: AsyncSession,
    schedule: ScheduledJob,
    typed: dict[str, str],
    error: BadArguments | Conflict | None = None,
) -> Response:
    found: Backfill | None = None
    if error is None and (typed["start"] or typed["end"]):
        try:
            _seconds(typed["apart"])
            span = _span(schedule, typed)
            found = await schedules.plan_backfill(session, schedule.id, *span)
        except (BadArguments, Conflict) as refused:
            error = refused
    at = error.path if isinstance(error, BadArguments) else ""
    zone = zone_of(schedule.time_zone)
    return render(
        request, "schedules/backfill.html", status=422 if error else 200, schedule=schedule, typed=typed,
        wrong={at: str(error)} if error else {}, found=found,
        shown=[at.astimezone(zone) for at in found.missing[:_SHOWN]] if found else [],
    )  # fmt: skip


def _span(schedule: ScheduledJob, typed: dict[str, str]) -> tuple[datetime, datetime]:
    """On the schedule's own clock. Raises BadArguments."""
    zone = zone_of(schedule.time_zone)
    return moment(typed["start"], zone, "start"), moment(typed["end"], zone, "end")


def _seconds(text: str) -> timedelta:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _MOST_APART:
        raise BadArguments(f"Write a number of seconds, at most {_MOST_APART:,}.", "apart")
    return timedelta(seconds=seconds)
