"""What people did: a row for every action, written in the transaction of the action itself."""

import uuid
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

    `who` is a user's name, an API key's, or "cli:<login name>" for the command line.
    """
    session.add(
        Audit(who=who, action=action, job_id=job_id, target=target, reason=reason, details=details),
    )


async def of_job(session: AsyncSession, job_id: uuid.UUID, most: int = 50) -> list[Audit]:
    """What people did to a job, the latest first."""
    return list(
        await session.scalars(select(Audit).where(Audit.job_id == job_id).order_by(Audit.id.desc()).limit(most))
    )
