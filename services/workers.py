"""The worker processes that are believed to live."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import workers


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
    running: int  # jobs


async def living(session: AsyncSession) -> list[LivingWorker]:
    """All of them, by host and pid."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(workers.LIVING)
    return [LivingWorker(**row._asdict()) for row in rows]
