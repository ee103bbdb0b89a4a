"""Edits that do not overwrite what somebody else changed meanwhile: ETag and If-Match (RFC 9110, section 13.1.1)."""

import hashlib
from typing import Annotated

from fastapi import Header, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ApiKey, Job, ScheduledJob, User, WebhookEndpoint

Thing = Job | User | ApiKey | ScheduledJob | WebhookEndpoint

IfMatch = Annotated[
    str | None,
    Header(
        max_length=500,
        description="The ETag of what you saw: 412 if it has changed since. Not sent: whatever it is now.",
    ),
]


def etag(thing: Thing) -> str:
    """A mark that changes with whatever an edit could change or depend on."""
    seen: tuple[object, ...]
    if isinstance(thing, Job):
        seen = (thing.id, thing.state, thing.attempt, thing.control, thing.run_at, thing.priority, thing.finished_at)
    elif isinstance(thing, ScheduledJob):
        seen = (thing.id, thing.version, thing.off_until)
    elif isinstance(thing, WebhookEndpoint):
        seen = (
            thing.id, thing.url, thing.description, thing.event_types, thing.headers, thing.timeout, thing.rate,
            thing.schedule, thing.ordered, thing.owner_email, thing.disabled_at,
        )  # fmt: skip
    else:
        seen = (thing.id, thing.changed_at, thing.created_at)
    return f'"{hashlib.sha256(repr(tuple(map(str, seen))).encode()).hexdigest()[:20]}"'


async def require_match(session: AsyncSession, thing: Thing, wanted: str | None) -> None:
    """Answers 412 unless it is still as the caller saw it; the row is locked, so that it stays so."""
    if wanted is None:
        return
    await session.refresh(thing, with_for_update=True)
    if wanted.strip() != "*" and etag(thing) not in {mark.strip() for mark in wanted.split(",")}:
        raise HTTPException(412, "It has changed since you saw it. Get it again, and decide anew.")
