"""The wall clock of a time zone, and the moments at which it is changed.

A time that a clock change leaves out is due at the moment the clock jumps; one that exists twice is due the first time.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from errors import BadArguments

ZONES = frozenset(available_timezones())
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def zone_of(name: str, path: str = "time_zone") -> ZoneInfo:
    """A zone of the IANA database. Raises BadArguments."""
    try:
        if name in ZONES:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        pass
    raise BadArguments(f"{path} {name!r} is no time zone. Use a name like 'Europe/Berlin' or 'UTC'.", path)


def wall(moment: datetime, zone: tzinfo) -> datetime:
    """What the clock shows, without a zone."""
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def exists(time: datetime, zone: tzinfo) -> bool:
    """Does the clock ever show this time?"""
    return wall(time.replace(tzinfo=zone), zone) == time


def exists_twice(time: datetime, zone: tzinfo) -> bool:
    first, second = time.replace(tzinfo=zone, fold=0), time.replace(tzinfo=zone, fold=1)
    return first.utcoffset() != second.utcoffset() and exists(time, zone)


def moment_of(time: datetime, zone: tzinfo) -> datetime:
    """When the clock shows this time first, or jumps over it."""
    moment = time.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if exists(time, zone):
        return moment
    # With fold 0 a left-out time is read with the offset before the jump, so it lies at or after it.
    return first_change(moment - _DAY, moment, zone) or moment


def first_change(start: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """The first moment after `start`, and not after `end`, from which on the clock differs from UTC by something else.

    It looks once a day: of two changes within a day that cancel each other out it sees none.
    """
    before, offset = start, _offset(start, zone)
    while before < end:
        after = min(before + _DAY, end)
        if _offset(after, zone) != offset:
            return _narrow(before, after, zone)
        before = after
    return None


def _narrow(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The change between two moments, which is at a full second."""
    before, after = before.replace(microsecond=0), after.replace(microsecond=0) + _SECOND
    offset = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
