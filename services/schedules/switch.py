"""Turning schedules on and off: until somebody turns them on again, or for a while.

What is off for a while stays enabled, and its next run is planned for the end of that while or later: nothing has to be
done then, and the database's clock decides. That is no change of what the schedule is. It makes no version, an edit, an
import and the restoring of a version keep it, and a schedule that the code keeps stays the code's.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ScheduledJob
from errors import BadArguments, Conflict
from runtime.transport import CHANGED, SCHEDULES, Notice
from services import audit
from services.control import check_reason
from services.pauses import FOREVER, Span
from services.schedules.spec import LAST_MOMENT, TICK
from services.schedules.store import drop_waiting, held, moment, set_fields, spec_of, tell


async def set_enabled(
    session: AsyncSession, schedule_id: uuid.UUID, enabled: bool, *, who: str, reason: str | None = None
) -> ScheduledJob:
    """Runs that were planned while it was off are not missed: it goes on with the next one. Raises NotFound."""
    check_reason(reason)
    schedule = await held(session, schedule_id)
    if enabled and schedule.enabled:
        return await _end(session, schedule, who, reason)
    if schedule.enabled == enabled:
        return schedule
    spec = spec_of(schedule).changed({"enabled": enabled})
    return await set_fields(session, schedule, spec, "enable" if enabled else "disable", who, reason=reason)


async def turn_off(
    session: AsyncSession, schedule_id: uuid.UUID, *, who: str, reason: str | None = None, span: Span = FOREVER
) -> ScheduledJob:
    """Until a moment or for some time, or until it is turned on. One that is off for a while already is off for this
    while instead. Raises NotFound, BadArguments for a moment that is over or after its last run, or Conflict if it is
    off with no end."""
    if span == FOREVER:
        return await set_enabled(session, schedule_id, False, who=who, reason=reason)
    check_reason(reason)
    schedule = await held(session, schedule_id)
    _require_planned(schedule)
    now = await moment(session)
    until = _end_of(span, now)
    before = schedule.off_until if is_off(schedule, now) else None
    schedule.next_run_at = _first_run(schedule, until)
    schedule.parked_until = schedule.problem = None
    schedule.off_until, schedule.off_by, schedule.off_reason = until, who, reason
    await drop_waiting(session, schedule, f"the schedule was turned off by {who}")
    details = {"until": until.isoformat(), "before": before.isoformat() if before else None}
    await _tell(session, schedule, "disable", who, reason, details)
    return schedule


def is_off(schedule: ScheduledJob, now: datetime) -> bool:
    """Now, for a while or with no end."""
    return not schedule.enabled or (schedule.off_until is not None and schedule.off_until > now)


async def _end(session: AsyncSession, schedule: ScheduledJob, who: str, reason: str | None) -> ScheduledJob:
    """It goes on before its while is over."""
    now = await moment(session)
    if not is_off(schedule, now):
        return schedule
    assert schedule.off_until is not None
    details = {"until": schedule.off_until.isoformat()}
    schedule.next_run_at = spec_of(schedule).first_run(schedule.anchor_at, now)
    schedule.off_until = schedule.off_by = schedule.off_reason = None
    await _tell(session, schedule, "enable", who, reason, details)
    return schedule


def _require_planned(schedule: ScheduledJob) -> None:
    if not schedule.enabled:
        raise Conflict(f"{schedule.name} is off already, with no end. Turn it on to turn it off for a while.")
    if schedule.next_run_at is None:
        raise Conflict(f"{schedule.name} makes no run any more: there is nothing to turn off for a while.")


def _end_of(span: Span, now: datetime) -> datetime:
    until = span.until.astimezone(UTC) if span.until else now + (span.lasts or timedelta(0))
    if until <= now:
        raise BadArguments("This moment is over already.", "until")
    if until >= LAST_MOMENT:
        raise BadArguments("This moment is too far: say one before the year 2200.", "until")
    return until


def _first_run(schedule: ScheduledJob, until: datetime) -> datetime:
    try:
        return spec_of(schedule).first_run(schedule.anchor_at, until - TICK)
    except BadArguments:
        advice = "Turn it off with no end instead."
        raise BadArguments(f"{schedule.name} has no run after this moment. {advice}", "until") from None


async def _tell(
    session: AsyncSession, schedule: ScheduledJob, what: str, who: str, reason: str | None,
    details: Mapping[str, str | None],
) -> None:  # fmt: skip
    audit.note(session, who, f"schedule.{what}", target=schedule.name, reason=reason, details=dict(details))
    await session.flush()
    tell(session, Notice(SCHEDULES, what), Notice(CHANGED, "schedules"))
