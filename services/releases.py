"""What was deployed, and when: workers say which release they are of (the setting RELEASE) when they start."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db import releases

_MOST = 20  # on a chart


@dataclass(frozen=True)
class Release:
    """One is told from another by its name: going back to an older one is no new one."""

    version: str
    first_seen_at: datetime


async def lately(session: AsyncSession, period: timedelta) -> list[Release]:
    """Those first seen within that time, the latest first."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(releases.LATELY, (period.total_seconds(), _MOST))
    return [Release(**row._asdict()) for row in rows]


async def at(session: AsyncSession, moment: datetime) -> str | None:
    """The latest that had been seen by then."""
    connection = await session.connection()
    version: str | None = (await connection.exec_driver_sql(releases.AT, (moment,))).scalar()
    return version
