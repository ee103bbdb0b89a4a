"""Backfill: the runs of a schedule in a span of time that is past, made now.

A run exists once for a schedule and a planned time, also here: what was made is left alone, whatever became of it; what
was skipped (no scheduler ran, the last run still went) is made up for.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db import schedules
from db.models import ScheduledJob
from errors import BadArguments, Conflict
from runtime import enqueue
from runtime.ids import uuid7
from runtime.transport import CHANGED, Notice
from runtime.triggers import Trigger
from services import audit
from services.control import check_reason
from services.schedules.spec import TICK
from services.schedules.store import get, moment, spec_of, tell

MOST = 1_000  # runs
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Backfill:
    """The runs that were planned in the span, and those of them that are to be made (or have been)."""

    planned: Sequence[datetime]
    missing: Sequence[datetime]


async def plan(session: AsyncSession, schedule_id: uuid.UUID, start: datetime, end: datetime) -> Backfill:
    """What would be made. Raises NotFound, Conflict of one that periodiq triggers, or BadArguments for a span that has
    not passed, or with more than a thousand runs."""
    schedule = await get(session, schedule_id)
    times = await _planned(session, schedule, start, end)
    connection = await session.connection()
    rows = await connection.exec_driver_sql(schedules.MISSING, (schedule.id, times, end))
    return Backfill(times, [row.planned_at for row in rows])


async def backfill(
    session: AsyncSession,
    schedule_id: uuid.UUID,
    start: datetime,
    end: datetime,
    *,
    who: str,
    reason: str | None = None,
    apart: timedelta = timedelta(0),
) -> Backfill:
    """Make those that are missing, in their order, each due so much later than the one before. They count neither for
    the schedule's `repeat` nor for its overlap policy. Raises as `plan`."""
    check_reason(reason)
    schedule = await get(session, schedule_id)
    if schedule.shadow:
        raise Conflict(f"{schedule.name} only records what it would run. Edit it before its runs are made up for.")
    times = await _planned(session, schedule, start, end)
    connection = await session.connection()
    ids = [uuid7() for _ in times]
    values = (ids, schedule.id, schedule.name, times, who, end)
    rows = (await connection.exec_driver_sql(schedules.BACKFILL, values)).all()
    made = {row.planned_at: row.id for row in sorted(rows, key=lambda row: row.planned_at)}
    if made:
        spec = spec_of(schedule)
        call = spec.call()
        wanted = [(call, spec.options(delay=place * apart if apart else None)) for place in range(len(made))]
        jobs = await enqueue.enqueue_each(session, wanted)
        await connection.exec_driver_sql(schedules.LINK, (list(made.values()), jobs))
    details = {"from": start.isoformat(), "to": end.isoformat(), "runs": len(made)}
    audit.note(session, who, "schedule.backfill", target=schedule.name, reason=reason, details=details)
    await session.flush()
    tell(session, Notice(CHANGED, "schedules"))
    return Backfill(times, list(made))


async def _planned(session: AsyncSession, schedule: ScheduledJob, start: datetime, end: datetime) -> list[datetime]:
    if schedule.kind == "code":
        raise Conflict(f"{schedule.name} is declared with its actor, and periodiq triggers it: its runs are not known.")
    if end <= start:
        raise BadArguments("The span ends before it begins.", "end")
    if end > await moment(session):
        raise BadArguments("The span must have passed: what is still to come the scheduler makes itself.", "end")
    trigger = spec_of(schedule).trigger(schedule.anchor_at)
    start = max(start, _EARLIEST)
    start = max(start, schedule.start_at) if schedule.start_at else start
    end = min(end, schedule.end_at) if schedule.end_at else end
    return await asyncio.to_thread(_times, trigger, start, end)


def _times(trigger: Trigger, start: datetime, end: datetime) -> list[datetime]:
    times: list[datetime] = []
    due = trigger.next_after(start - TICK)
    while due is not None and due <= end:
        if len(times) == MOST:
            raise BadArguments(
                f"More than {MOST:,} runs were planned then: end with {times[-1].isoformat()}, and do the rest after.",
                "end",
            )
        times.append(due)
        due = trigger.next_after(due)
    return times
