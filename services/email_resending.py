"""Sending mails again that a filter finds: first how many those are, then a job of its own that does it.

That job (actors/email_resending.py) is watched, paused and cancelled like any other; cancelling it leaves what it has
sent.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from actors.email_resending import EVER, resend_emails
from db import emails
from errors import BadArguments
from services import audit, jobs
from services.email import MOST_SEARCHED

STATUSES = ("failed", "rejected", "suppressed", "cancelled", "unknown")  # in which it makes sense


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which mails: all that is given must hold. Raises BadArguments."""

    status: str
    since: datetime | None = None
    address: str | None = None
    tag: str | None = None
    template: str | None = None
    answer: str | None = None  # a part of what was answered

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise BadArguments(f"Those that are {self.status!r} are not sent again: {', '.join(STATUSES)}.", "status")


@dataclass(frozen=True)
class Count:
    mails: int
    is_capped: bool  # only the newest MOST_SEARCHED of that status were looked at


async def count(session: AsyncSession, only: Filter) -> Count:
    """How many `start` would send again now."""
    connection = await session.connection()
    asked = (*_fits(only), only.status, only.since or EVER, MOST_SEARCHED)
    row = (await connection.exec_driver_sql(emails.COUNT_TO_RESEND, asked)).one()
    return Count(row.mails, row.is_capped)


async def start(
    session: AsyncSession, who: str, only: Filter, *, rate: float = 20.0, reason: str | None = None
) -> uuid.UUID:
    """A job that sends them again, oldest first, `rate` a second. Returns its id. Raises BadArguments."""
    if not 0.01 <= rate <= 1000:
        raise BadArguments(f"rate {rate:g} is not within 0.01 and 1000 a second.", "rate")
    address, tag, template, answer = _fits(only)
    asked: dict[str, Any] = {
        "status": only.status, "since": only.since.isoformat() if only.since else None, "address": address,
        "tag": tag, "template": template, "answer": answer,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    job = await jobs.enqueue(session, resend_emails, rate=rate, **given)
    audit.note(session, who, "email.resend_matching", job_id=job.id, reason=reason, details=given | {"rate": rate})
    return job.id


def _fits(only: Filter) -> tuple[str | None, str | None, str | None, str | None]:
    return only.address.lower() if only.address else None, only.tag, only.template, only.answer
