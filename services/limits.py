"""Limits in use: what each key allows, and how much of it is taken."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from db import limits

_SHOWN, _LOOKED_AT, _COUNTED = 20, 1_000, 10_000


@dataclass(frozen=True)
class LimitInUse:
    key: str
    concurrency: int | None
    rate: int | None
    per: float | None  # seconds
    used_at: datetime
    running: int
    started: int  # within the period
    waiting: int  # counted up to 10,000


async def of_actor(session: AsyncSession, name: str) -> list[LimitInUse]:
    """Those of its keys that were used last, of the first thousand."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(limits.IN_USE, (name, _LOOKED_AT, _SHOWN, _COUNTED))
    return [LimitInUse(**row._asdict()) for row in rows]
