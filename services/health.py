"""How healthy all was, as the checks of each minute have found it (actors/health.py)."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import HealthCheck

_RECENT = timedelta(minutes=10)  # what an older check has found says nothing of now


async def latest(session: AsyncSession) -> HealthCheck | None:
    """What was found last; None if nothing has been looked at for ten minutes."""
    newest = select(HealthCheck).where(HealthCheck.checked_at > func.now() - _RECENT)
    found: HealthCheck | None = await session.scalar(newest.order_by(HealthCheck.checked_at.desc()).limit(1))
    return found


async def page(
    session: AsyncSession, *, limit: int = 50, before: int | None = None, changes: bool = False
) -> Sequence[HealthCheck]:
    """The newest checks, before the one with that id; only those that changed what people were told, if
    `changes`."""
    statement = select(HealthCheck).order_by(HealthCheck.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(HealthCheck.id < before)
    if changes:
        statement = statement.where(HealthCheck.previous.is_not(None))
    return list(await session.scalars(statement))
