"""Queues: what is in them, and pausing them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import pauses
from errors import NotFound
from services import pauses as pausing

_LOOKED_AT = 20_000  # jobs of a queue


@dataclass(frozen=True)
class Queue:
    """A queue now. Counts are exact up to 20,000 live jobs; beyond that (`is_capped`) there are at least so many."""

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


async def listed(session: AsyncSession) -> list[Queue]:
    """All queues that an actor is declared for, that have live jobs, or that are paused; by name."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(pauses.QUEUES, (sorted(broker.queues), _LOOKED_AT))).mappings()
    return [Queue(**row, is_paused=row["paused_at"] is not None) for row in rows]


async def get(session: AsyncSession, name: str) -> Queue:
    """One queue. Raises NotFound."""
    queues = {queue.name: queue for queue in await listed(session)}
    if name not in queues:
        raise NotFound(f"There is no queue {name!r}. There are: {', '.join(queues)}.")
    return queues[name]


async def pause(session: AsyncSession, name: str, *, who: str, reason: str) -> None:
    """Start nothing from it until it is resumed. Raises NotFound, BadArguments (no reason) or Conflict."""
    await get(session, name)
    await pausing.pause(session, "queue", name, who=who, reason=reason)


async def resume(session: AsyncSession, name: str, *, who: str, reason: str | None = None) -> None:
    """Start its jobs again. Raises Conflict if it is not paused."""
    await pausing.resume(session, "queue", name, who=who, reason=reason)
