"""The worker processes that are believed to live, and what each does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import workers

_LOOKED_AT = 20_000  # live jobs of a queue: those that run are among the first
_LOOKED_BACK = 2_000  # ended jobs of each outcome


@dataclass(frozen=True)
class LivingWorker:
    id: UUID
    host: str
    pid: int
    queues: list[str]
    async_slots: int  # async jobs that it can run at once
    threads: int  # and sync ones
    version: str
    started_at: datetime
    heartbeat_at: datetime
    silence: float  # seconds since then
    running: int  # jobs

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


async def living(session: AsyncSession) -> list[LivingWorker]:
    """All of them, by host and pid."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(workers.LIVING, (_LOOKED_AT,))
    return [LivingWorker(**row._asdict()) for row in rows]


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
