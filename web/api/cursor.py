"""Where a page ends: the time that it is sorted by and the id of its last row, as one word that callers send back."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from errors import BadArguments
from services.search import Position


def encode(at: datetime, row_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {row_id}".encode()).decode()


def decode(word: str) -> Position:
    """Raises BadArguments for a word that no page gave out."""
    try:
        time, _, row_id = base64.b64decode(word, altchars=b"-_", validate=True).decode().partition(" ")
        return Position(datetime.fromisoformat(time).astimezone(UTC), UUID(row_id))
    except (binascii.Error, ValueError, OverflowError):
        raise BadArguments("before is not the `next` of a page. Send that, or leave it out.", "before") from None
