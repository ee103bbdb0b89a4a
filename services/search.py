"""Which jobs there are: pages and counts over filters, bounded in time over any number of jobs (how: db/search.py)."""

from datetime import UTC, datetime
from typing import cast

from db.models import Job
from db.search import Count, Filter, Page, Position, State, count, page
from services.callers import Caller

__all__ = ["Count", "Filter", "Page", "Position", "State", "count", "page", "require", "shown_state"]


def require(only: Filter, caller: Caller) -> None:
    """Raises Forbidden for a text within what may be masked for this caller. The arguments of its own jobs it knows."""
    if only.error is not None or (only.arguments is not None and only.owner != caller.name):
        caller.require_search_within()


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
