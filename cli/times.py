"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta

from errors import BadArguments

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")


def duration(text: str, option: str) -> timedelta:
    """`10s`, `90d`. Raises BadArguments, naming the option."""
    found = _DURATION.fullmatch(text.strip())
    try:
        if found:
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:  # longer than any calendar
        pass
    raise BadArguments(f"--{option} {text!r} is no duration. Write a number and s, m, h, d or w: 90d.", option)


def moment(text: str, option: str) -> datetime:
    """ISO 8601; without an offset it is this machine's time. Raises BadArguments, naming the option."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise BadArguments(f"--{option} {text!r} is no time. Write it like 2026-11-25T09:30.", option) from None


def past(text: str, option: str) -> datetime:
    """A moment, as `moment` reads it, or how long ago it was: `2h`. Raises BadArguments, naming the option."""
    try:
        if _DURATION.fullmatch(text.strip()):
            return datetime.now(UTC) - duration(text, option)
        return moment(text, option)
    except (BadArguments, OverflowError):
        raise BadArguments(
            f"--{option} {text!r} is neither a time nor how long ago. Write it like 2026-11-25T09:30, or 2h.", option
        ) from None


def span(seconds: float) -> str:
    """`4 s`, `12 min`, `3 h`, `5 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "0 s"


def distance(moment: datetime) -> str:
    """`5 min ago`, `in 3 h`."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"
