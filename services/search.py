"""Which jobs there are: pages and counts over filters, bounded in time over any number of jobs (how: db/search.py)."""

from datetime import UTC, datetime
from typing import cast

from db.models import Job
from db.search import Count, Filter, Page, Position, State, count, page

__all__ = ["Count", "Filter", "Page", "Position", "State", "count", "page", "shown_state"]


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
