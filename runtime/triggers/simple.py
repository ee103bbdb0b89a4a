"""Intervals and dates, by APScheduler, which is given UTC only."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

_TICK = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _TICK


class Interval:
    """Every so many seconds of elapsed time, counted from `anchor`, which is due itself."""

    def __init__(self, seconds: int, anchor: datetime) -> None:
        self._trigger = IntervalTrigger(seconds=seconds, start_date=anchor.astimezone(UTC), timezone=UTC)
        self._anchor, self._length = anchor.astimezone(UTC), timedelta(seconds=seconds)

    def next_after(self, moment: datetime) -> datetime | None:
        found: datetime = self._trigger.get_next_fire_time(None, moment.astimezone(UTC) + _TICK)
        # APScheduler counts in floating-point seconds, which are some microseconds off: back to the exact multiple.
        due = self._anchor + round((found - self._anchor) / self._length) * self._length
        return due if due > moment else due + self._length

    def by_hour(self, start: datetime, hours: int) -> list[int]:
        """How often it is due in each of so many hours, the first of which begins at `start`."""
        first, length = (start - self._anchor) // _TICK - 1, self._length // _TICK  # ticks since the anchor
        reached = [max(-1, (first + hour * _HOUR) // length) for hour in range(hours + 1)]
        return [after - before for before, after in pairwise(reached)]


class Date:
    """Once."""

    def __init__(self, run_at: datetime) -> None:
        self._trigger = DateTrigger(run_at.astimezone(UTC), UTC)

    def next_after(self, moment: datetime) -> datetime | None:
        due: datetime = self._trigger.get_next_fire_time(None, moment)
        return due if due > moment else None
