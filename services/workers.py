"""The worker processes that are believed to live, what each does, and telling one to take nothing more."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import workers
from db.models import Audit
from errors import NotFound
from services import audit, pauses

_LOOKED_AT = 5_000  # live jobs of a queue: those that run are among the first
_LOST = 20  # workers that are shown
_LOOKED_BACK = 2_000  # ended jobs of each outcome


@dataclass(frozen=True)
class LivingWorker:
    id: UUID
    host: str
    pid: int
    process: str  # names the process as no other
    queues: list[str]
    async_slots: int  # async jobs that it can run at once
    threads: int  # and sync ones
    version: str
    started_at: datetime
    heartbeat_at: datetime
    silence: float  # seconds since then
    running: int  # jobs
    reason: str | None  # why it takes nothing more
    drained_by: str | None
    drained_at: datetime | None

    @property
    def is_draining(self) -> bool:
        return self.drained_at is not None

    @property
    def slots(self) -> int:
        return self.async_slots + self.threads


@dataclass(frozen=True)
class RunningJob:
    id: UUID
    actor: str
    queue: str
    attempt: int
    started_at: datetime
    control: str | None  # what a person wants of it


@dataclass(frozen=True)
class EndedJob:
    id: UUID
    actor: str
    queue: str
    state: str
    attempt: int
    started_at: datetime | None
    finished_at: datetime


@dataclass(frozen=True)
class LostWorker:
    id: UUID
    host: str
    pid: int
    heard_of: datetime  # the last time
    found_at: datetime  # when it was found dead
    queued: int  # jobs that it ran, and that were queued again
    failed: int  # and that had no attempt left


async def living(session: AsyncSession) -> list[LivingWorker]:
    """All of them, by host and pid."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(workers.LIVING, (_LOOKED_AT,))
    return [LivingWorker(**row._asdict()) for row in rows]


async def lost(session: AsyncSession) -> list[LostWorker]:
    """Those that were found dead within a day, the latest first, 20 at most."""
    since = datetime.now(UTC) - timedelta(days=1)
    found = await audit.page(session, audit.Filter(action=workers.DIED), limit=_LOST)
    return [_lost(row) for row in found if row.done_at >= since]


def _lost(row: Audit) -> LostWorker:
    told = row.details or {}
    heard_of = datetime.fromisoformat(told["heard_of"])
    return LostWorker(
        UUID(row.target), told["host"], told["pid"], heard_of, row.done_at, told["queued"], told["failed"]
    )


async def get(session: AsyncSession, worker: UUID) -> LivingWorker:
    """One that lives. Raises NotFound."""
    found = next((one for one in await living(session) if one.id == worker), None)
    if found is None:
        raise NotFound(f"No worker {worker} lives. `callboard workers list` shows those that do.")
    return found


async def drain(session: AsyncSession, worker: UUID, *, who: str, reason: str) -> LivingWorker:
    """Let it take no more jobs and end those that it runs, until it stops or is told to go on. Raises NotFound,
    BadArguments (no reason) or Conflict."""
    found = await get(session, worker)
    await pauses.pause(session, "worker", found.process, who=who, reason=reason)
    return found


async def go_on(session: AsyncSession, worker: UUID, *, who: str, reason: str | None = None) -> LivingWorker:
    """Let it take jobs again. Raises NotFound, or Conflict if it does anyway."""
    found = await get(session, worker)
    await pauses.resume(session, "worker", found.process, who=who, reason=reason)
    return found


async def running_on(session: AsyncSession, worker: UUID, most: int) -> list[RunningJob]:
    """What it runs now, the longest first."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(workers.RUNNING_ON, (worker, _LOOKED_AT, most))
    return [RunningJob(**row._asdict()) for row in rows]


async def ended_on(session: AsyncSession, worker: UUID, most: int) -> list[EndedJob]:
    """What it ended last, as far as that is among the 2,000 jobs of each outcome that ended last anywhere."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(workers.ENDED_ON, (worker, _LOOKED_BACK, most))
    return [EndedJob(**row._asdict()) for row in rows]
