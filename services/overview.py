"""What is going on, in a few numbers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CAP = 100_000

# Of the jobs that have not ended, at most CAP of them.
_LIVE = text("""
select count(*) filter (where state = 'running') as running,
       count(*) filter (where state = 'queued' and run_at <= now()) as waiting,
       count(*) filter (where state = 'queued' and run_at > now()) as scheduled,
       min(run_at) filter (where state = 'queued' and run_at <= now()) as oldest
from (select state, run_at from jobs where outcome is null limit :cap) live
""")


@dataclass(frozen=True)
class Live:
    running: int
    waiting: int
    scheduled: int
    oldest: datetime | None  # since when the job waits that has waited longest


async def live(session: AsyncSession) -> Live:
    """Jobs that have not ended, counted up to CAP."""
    row = (await session.execute(_LIVE, {"cap": CAP})).one()
    return Live(row.running, row.waiting, row.scheduled, row.oldest)
