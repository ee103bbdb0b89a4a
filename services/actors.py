"""Actors: what is declared, and pausing them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import pauses
from errors import UnknownActor
from services import pauses as pausing

_COUNTED = 10_000  # jobs that wait because their actor is paused


@dataclass(frozen=True)
class DeclaredActor:
    """An actor as this process knows it, and whether its jobs are started."""

    name: str
    queue: str
    priority: int
    concurrency: int | None  # of its jobs at once, for each key
    rate_limit: str | None  # "10/m": starts in any minute, for each key
    key: str | None  # what its limits are counted by: an argument's name, or "a function"
    is_paused: bool
    held: int  # jobs that wait because it is paused, counted up to 10,000
    reason: str | None = None  # why it is paused
    paused_by: str | None = None
    paused_at: datetime | None = None

    @property
    def limits(self) -> str:
        """In words; empty without any."""
        most = [f"{self.concurrency} at once"] if self.concurrency else []
        most += [f"{self.rate_limit} started"] if self.rate_limit else []
        each = {None: "", "a function": " for each key"}.get(self.key, f" for each {self.key}")
        return ", ".join(most) + each if most else ""


async def listed(session: AsyncSession) -> list[DeclaredActor]:
    """All declared actors, by name."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(pauses.ACTORS, (sorted(broker.actors), _COUNTED))).mappings()
    return [
        DeclaredActor(**row, **_declared(row["name"]), is_paused=row["paused_at"] is not None)
        for row in rows
    ]  # fmt: skip


async def pause(session: AsyncSession, name: str, *, who: str, reason: str) -> None:
    """Start none of its jobs until it is resumed. Raises UnknownActor, BadArguments (no reason) or Conflict."""
    if name not in broker.actors:
        raise UnknownActor(name, list(broker.actors))
    await pausing.pause(session, "actor", name, who=who, reason=reason)


async def resume(session: AsyncSession, name: str, *, who: str, reason: str | None = None) -> None:
    """Start its jobs again. Raises Conflict if it is not paused."""
    await pausing.resume(session, "actor", name, who=who, reason=reason)


def _declared(name: str) -> dict[str, Any]:
    actor = broker.actors[name]
    key = actor.options.get("key")
    return {
        "queue": actor.queue_name,
        "priority": actor.priority,
        "concurrency": actor.options.get("concurrency"),
        "rate_limit": actor.options.get("rate_limit"),
        "key": key if key is None or isinstance(key, str) else "a function",
    }
