"""Which jobs there are: pages and counts over filters, bounded in time over any number of jobs (how: db/search.py)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job
from db.search import OUTCOMES, Count, Filter, Page, Position, State, count, now, page, position
from services.callers import Caller

__all__ = [
    "NEW", "Count", "Filter", "Page", "Position", "State", "count", "first_of", "newer", "page", "require",
    "shown_state",
]  # fmt: skip

NEW = 99  # jobs that are counted at most


def require(only: Filter, caller: Caller) -> None:
    """Raises Forbidden for a text within what may be masked for this caller. The arguments of its own jobs it knows."""
    if only.error is not None or (only.arguments is not None and only.owner != caller.name):
        caller.require_search_within()


async def first_of(session: AsyncSession, only: Filter, jobs: Sequence[Job]) -> Position:
    """Where a page begins: its first job's place, or now if it has none."""
    return position(only, jobs[0]) if jobs else await now(session)


async def newer(session: AsyncSession, only: Filter, than: Position, seconds: float = 0.02) -> Count:
    """How many of these jobs would stand above that place in a list, counted up to NEW along the index by that time."""
    name = "finished_after" if only.state in OUTCOMES else "created_after"
    after = max(filter(None, (getattr(only, name), than.at + timedelta(microseconds=1))))
    return await count(session, only.model_copy(update={name: after}), most=NEW, seconds=seconds)


def shown_state(job: Job) -> State:
    """The state as people want to see it: stored, or derived from when the job is due and what is wanted of it."""
    if job.control is not None:
        return "cancelling" if job.control == "cancel" else "pausing"
    if job.state == "queued":
        if job.attempt > job.releases:
            return "retrying"
        if job.run_at > datetime.now(UTC):
            return "scheduled"
    return cast("State", job.state)  # the table's check holds it to the stored ones
