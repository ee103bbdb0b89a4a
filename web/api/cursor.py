"""Where a page of jobs ends: when its last job was created, and its id, as one word that callers just send back."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from errors import BadArguments


def encode(created_at: datetime, job_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {job_id}".encode()).decode()


def decode(word: str) -> tuple[datetime, UUID]:
    """Raises BadArguments for a word that no page gave out."""
    try:
        time, _, job_id = base64.b64decode(word, altchars=b"-_", validate=True).decode().partition(" ")
        return datetime.fromisoformat(time).astimezone(UTC), UUID(job_id)
    except (binascii.Error, ValueError, OverflowError):
        raise BadArguments("before is not the `next` of a page. Send that, or leave it out.", "before") from None
