"""What is going on right now, in a few numbers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from db import overview

CAP = 100_000  # jobs that are counted at most


@dataclass(frozen=True)
class Live:
    running: int
    waiting: int  # due, and not started
    scheduled: int  # due later
    held: int  # paused, or waiting for something
    oldest: datetime | None  # since when the job is due that has waited longest
    oldest_queue: str | None
    next_run_at: datetime | None  # when the next job is due
    workers: int
    slots: int  # jobs that all workers together can run at once


async def live(session: AsyncSession) -> Live:
    """Jobs that have not ended (of each kind at most CAP are counted), and who is there to run them."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(overview.LIVE, (CAP,))).one()
    return Live(**row._asdict())


@dataclass(frozen=True)
class Trouble:
    """An error that is seen again and again."""

    fingerprint: str
    error_type: str
    pattern: str
    occurrences: int  # within the period
    last_seen_at: datetime


async def troubles(session: AsyncSession, hours: int, most: int = 5) -> list[Trouble]:
    """The errors seen most within the last hours; without those that are muted, or resolved and not seen since."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(overview.TROUBLES, (float(hours), most))
    return [Trouble(**row._asdict()) for row in rows]
