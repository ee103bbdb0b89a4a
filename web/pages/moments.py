"""Moments as people type them, on a clock of their choice."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from errors import BadArguments

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def moment(text: str, zone: ZoneInfo, name: str) -> datetime:
    """ISO 8601; without an offset it is on the clock of `zone`. Raises BadArguments, naming the field."""
    try:
        found = datetime.fromisoformat(text.strip())
        found = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadArguments("This is no time. Write it like 2026-11-25T09:30.", name) from None
    if not _FIRST <= found < _LAST:
        raise BadArguments("This is not within the years 2000 and 2199.", name)
    return found
