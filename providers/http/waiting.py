"""How long the other side wants us to wait."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DAY = 86_400.0


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds, rounded up, of a Retry-After header (RFC 9110, section 10.2.3): a number or a date. A day at most."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, OverflowError):  # a year or an offset of twenty digits
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    if not math.isfinite(seconds):
        return None
    return float(min(max(0, math.ceil(seconds)), DAY))
