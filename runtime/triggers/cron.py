"""Cron expressions that mean what cron means.

APScheduler finds the times, on a wall clock without changes (UTC) and with days of the week by name, where it can be
trusted. What is cron's own is here: names, steps, Sunday as 0 and 7, either day matching where both are restricted,
and clock changes:

    an expression that names its times ("30 2 * * *") runs once for each: at the moment the clock jumps over one, and
    only the first time where the clock shows one twice;
    one that says how often (its minutes or hours begin with "*") runs whenever the clock shows a time that matches,
    so "*/5 * * * *" neither pauses for an hour in autumn nor catches up in spring.

That is what Debian's cron does; docs/scheduling.md has the two cases in which a look at the field is worth it.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.triggers.cron import CronTrigger

from runtime.triggers.clock import first_change, moment_of, wall

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ANY_DAY, _ANY_WEEKDAY = set(range(1, 32)), set(range(7))
_LEAP_YEAR = 2024
_TICK, _HOUR, _DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)


class Cron:
    """A cron expression on a zone's wall clock. Raises ValueError for what is none, or never happens."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self.expression, self._zone = expression, zone
        fields = _NAMED.get(expression.strip().lower(), expression).lower().split()
        if len(fields) != 5:
            raise ValueError(f"{expression!r} is not a cron expression: it needs five fields, as in '*/5 * * * *'.")
        try:
            minutes = _values(fields[0], "minute", 0, 59)
            hours = _values(fields[1], "hour", 0, 23)
            days = _values(fields[2], "day of month", 1, 31)
            months = _values(_numbered(fields[3], _MONTHS, 1), "month", 1, 12)
            weekdays = {day % 7 for day in _values(_sunday_last(_numbered(fields[4], _DAYS, 0)), "day of week", 0, 7)}
        except ValueError as error:
            raise ValueError(f"{expression!r} is not a cron expression: {error}.") from None
        either = not fields[2].startswith("*") and not fields[4].startswith("*")
        has_day = any(day <= monthrange(_LEAP_YEAR, month)[1] for month in months for day in days)
        if not either and not has_day:
            raise ValueError(f"{expression!r} is not a cron expression: it never happens, there is no such day.")
        self._minutes, self._hours, self._either = len(minutes), hours, either
        self._days, self._months, self._weekdays = days, months, weekdays
        self._says_how_often = fields[0].startswith("*") or fields[1].startswith("*")

        def trigger(days: set[int], weekdays: set[int]) -> CronTrigger:
            return CronTrigger(
                month=_text(months, 12),
                day=_text(days, 31),
                day_of_week="*" if len(weekdays) == 7 else ",".join(_DAYS[day] for day in sorted(weekdays)),
                hour=_text(hours, 24),
                minute=_text(minutes, 60),
                second="0",
                timezone=UTC,
            )

        if not either:
            self._triggers = [trigger(days, weekdays)]
        else:  # APScheduler would look for 31 February until the year 9999
            self._triggers = [trigger(_ANY_DAY, weekdays), *([trigger(days, _ANY_WEEKDAY)] if has_day else [])]

    def next_after(self, moment: datetime) -> datetime | None:
        return self._next_shown(moment) if self._says_how_often else self._next_named(moment)

    def by_hour(self, start: datetime, hours: int) -> list[int] | None:
        """How often it is due in each of so many hours, the first of which begins at `start`. None where that is not to
        be read off the fields: the clock is changed in that time, or shows the hours' beginnings as something else."""
        first = wall(start, self._zone)
        if first.minute or first.second or first_change(start - _DAY, start + (hours + 24) * _HOUR, self._zone):
            return None
        counts = [0] * hours
        midnight = first.replace(hour=0)
        for day in (midnight + number * _DAY for number in range(hours // 24 + 2)):
            if self._has_day(day):
                for hour in self._hours:
                    place = (day - first) // _HOUR + hour
                    if 0 <= place < hours:
                        counts[place] = self._minutes
        return counts

    def _has_day(self, day: datetime) -> bool:
        if day.month not in self._months:
            return False
        has_day, has_weekday = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return has_day or has_weekday if self._either else has_day and has_weekday

    def _next_named(self, moment: datetime) -> datetime | None:
        time = wall(moment, self._zone)
        while True:
            following = self._next_time(time)
            if following is None:
                return None
            due = moment_of(following, self._zone)
            if due > moment:
                return due
            time = following

    def _next_shown(self, moment: datetime) -> datetime | None:
        """Between two clock changes the wall clock runs as any other does."""
        while True:
            time = wall(moment, self._zone)
            following = self._next_time(time)
            if following is None:
                return None
            due = (moment + (following - time)).astimezone(UTC)
            change = first_change(moment, due, self._zone)
            if change is None:
                return due
            time = wall(change, self._zone)
            if self._next_time(time - _TICK) == time:
                return change
            moment = change

    def _next_time(self, time: datetime) -> datetime | None:
        """The first time that matches after this one, on a clock that is never changed."""
        start = time.replace(tzinfo=UTC) + _TICK
        found = [due for trigger in self._triggers if (due := trigger.get_next_fire_time(None, start)) is not None]
        return min(found).replace(tzinfo=None) if found else None


def _text(values: set[int], all_of_them: int) -> str:
    return "*" if len(values) == all_of_them else ",".join(map(str, sorted(values)))


def _numbered(field: str, names: tuple[str, ...], first: int) -> str:
    """Names as numbers."""
    return re.sub(r"[a-z]+", lambda word: _number(word[0], names, first), field)


def _number(word: str, names: tuple[str, ...], first: int) -> str:
    if word not in names:
        raise ValueError(f"{word!r} is none of {', '.join(names)}")
    return str(names.index(word) + first)


def _sunday_last(field: str) -> str:
    """A range that ends on Sunday ends on 7."""
    return re.sub(r"(?<!\d)([1-6])-0(?!\d)", r"\1-7", field)


def _values(field: str, name: str, least: int, most: int) -> set[int]:
    """What a field stands for: `*`, `5`, `1-5`, each with a step (`*/15`, `9-17/2`, `5/10`), or several, by comma."""
    values: set[int] = set()
    for part in field.split(","):
        found = re.fullmatch(r"(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,3}))?", part)
        if found is None:
            raise ValueError(f"{part!r} is no {name}")
        star, low, high, step = found.groups()
        first = least if star else int(low)
        last = most if star or (step and not high) else int(high or low)
        if not least <= first <= last <= most or step == "0" * len(step or " "):
            raise ValueError(f"{name} {part!r} is not within {least}-{most}, a lower number first, steps from 1 on")
        values.update(range(first, last + 1, int(step or 1)))
    return values
