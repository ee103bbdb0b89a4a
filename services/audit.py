"""What people did: a row for every action, written in the transaction of the action itself."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Audit


def note(
    session: AsyncSession,
    who: str,
    action: str,
    *,
    job_id: uuid.UUID | None = None,
    target: str | None = None,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Note that `who` did `action` ("job.cancel", "queue.pause", "schedule.edit") to a job or to `target`, and why.

    `who` is a user's name, "key:<name>" for an API key, or "cli:<login name>" for the command line.
    """
    session.add(
        Audit(who=who, action=action, job_id=job_id, target=target, reason=reason, details=details),
    )


async def of_job(session: AsyncSession, job_id: uuid.UUID, most: int = 50) -> list[Audit]:
    """What people did to a job, the latest first."""
    return list(
        await session.scalars(select(Audit).where(Audit.job_id == job_id).order_by(Audit.id.desc()).limit(most))
    )


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which rows; all that is given must be true of them."""

    who: str | None = None
    action: str | None = None
    target: str | None = None
    job_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None  # before that


async def page(session: AsyncSession, only: Filter, *, limit: int, before: int | None = None) -> list[Audit]:
    """The newest rows, before the one with that id. Each filter has its index."""
    statement = select(Audit).order_by(Audit.id.desc()).limit(limit)
    for name in ("who", "action", "target", "job_id"):
        value = getattr(only, name)
        if value is not None:
            statement = statement.where(getattr(Audit, name) == value)
    if only.since is not None:
        statement = statement.where(Audit.done_at >= only.since)
    if only.until is not None:
        statement = statement.where(Audit.done_at < only.until)
    if before is not None:
        statement = statement.where(Audit.id < before)
    return list(await session.scalars(statement))
