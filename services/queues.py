"""Queues: what is in them, and pausing them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import flow, pauses
from errors import NotFound
from services import pauses as pausing
from services.pauses import FOREVER, Span

_LOOKED_AT = 10_000  # jobs of a queue
_ARRIVALS, _NEWEST = 300.0, 10_000  # seconds, and jobs, that tell how many come in
_DEPARTURES = 300.0  # seconds that tell how many end


@dataclass(frozen=True)
class Queue:
    """A queue now. Counts are exact up to 10,000 live jobs; beyond that (`is_capped`) there are at least so many."""

    name: str
    due: int  # to be run as soon as a worker has room
    later: int  # to be run later
    held: int  # waiting for something, or paused
    running: int
    oldest: float | None  # seconds for which the first of those that are due has been
    is_capped: bool
    is_paused: bool
    reason: str | None = None  # why it is paused
    paused_by: str | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None  # None: until it is resumed


@dataclass(frozen=True)
class Flow:
    """What goes in and out of a queue; the rates are of the last minutes."""

    arriving: float = 0.0  # jobs made per minute
    leaving: float = 0.0  # jobs ended per minute
    failed: int = 0  # within 24 hours

    def drains_in(self, due: int) -> float | None:
        """Seconds until what is due will have ended at these rates; None: it grows, or nothing moves."""
        if not due:
            return 0.0
        gain = self.leaving - self.arriving
        return due / gain * 60 if gain > 0 else None


@dataclass(frozen=True)
class Share:
    """An actor's live jobs in a queue."""

    actor: str
    due: int
    later: int
    held: int
    running: int


@dataclass(frozen=True)
class DueJob:
    id: UUID
    actor: str
    priority: int
    attempt: int
    run_at: datetime


async def listed(session: AsyncSession, only: str | None = None) -> list[Queue]:
    """All queues that an actor is declared for, that have live jobs, or that are paused; by name."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(pauses.QUEUES, (sorted(broker.queues), _LOOKED_AT, only))).mappings()
    return [Queue(**row, is_paused=row["paused_at"] is not None) for row in rows]


def declared() -> list[str]:
    """Those that an actor is declared for, on which workers listen; by name."""
    return sorted(broker.queues)


async def get(session: AsyncSession, name: str) -> Queue:
    """One queue. Raises NotFound."""
    found = await listed(session, only=name)
    if not found:
        names = ", ".join(queue.name for queue in await listed(session))
        raise NotFound(f"There is no queue {name!r}. There are: {names}.")
    return found[0]


async def flows(session: AsyncSession) -> dict[str, Flow]:
    """By queue; a queue in which nothing happened is not there."""
    connection = await session.connection()
    came = {row.queue: row for row in await connection.exec_driver_sql(flow.ARRIVALS, (_ARRIVALS, _NEWEST))}
    went = {row.queue: row for row in await connection.exec_driver_sql(flow.DEPARTURES, (_DEPARTURES,))}
    return {
        name: Flow(
            came[name].jobs / max(1.0, came[name].seconds) * 60 if name in came else 0.0,
            went[name].jobs / went[name].seconds * 60 if name in went else 0.0,
            went[name].failed if name in went else 0,
        )
        for name in came.keys() | went.keys()
    }


async def by_actor(session: AsyncSession, name: str) -> list[Share]:
    """The first 10,000 of its live jobs."""
    connection = await session.connection()
    return [Share(**row._asdict()) for row in await connection.exec_driver_sql(flow.BY_ACTOR, (name, _LOOKED_AT))]


async def oldest(session: AsyncSession, name: str, most: int) -> list[DueJob]:
    """Those of the first 10,000 that have been due longest."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(flow.OLDEST, (name, _LOOKED_AT, most))
    return [DueJob(**row._asdict()) for row in rows]


async def pause(session: AsyncSession, name: str, *, who: str, reason: str, span: Span = FOREVER) -> datetime | None:
    """Start nothing from it until it is resumed, or that time is over. Returns when that is, if it is. Raises NotFound,
    BadArguments (no reason, a moment that is over) or Conflict."""
    await get(session, name)
    return await pausing.pause(session, "queue", name, who=who, reason=reason, span=span)


async def resume(session: AsyncSession, name: str, *, who: str, reason: str | None = None) -> None:
    """Start its jobs again. Raises Conflict if it is not paused."""
    await pausing.resume(session, "queue", name, who=who, reason=reason)
