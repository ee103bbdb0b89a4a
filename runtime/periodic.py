"""`cron()` for actors that periodiq triggers, meaning what cron means."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import dramatiq
import pendulum
import periodiq

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MINUTE = timedelta(minutes=1)
_SEARCH = timedelta(days=366 * 8 + 2)  # 29 February comes back within eight years


def cron(expression: str) -> "CronSpec":
    """When a periodic actor runs: `@dramatiq.actor(periodic=cron("*/5 * * * *"))`.

    Five fields (minute, hour, day of month, month, day of week) or @hourly, @daily, @weekly, @monthly, @yearly.
    Sunday is 0, 7 or sun. Raises ValueError for what is no cron expression.
    """
    return CronSpec.parse(expression)


class CronSpec(periodiq.CronSpec):  # type: ignore[misc]
    """periodiq's, where it differs from cron put right: periodiq 0.14 runs nothing on Sundays written 0, and
    after a day or month without a match looks on at the time of day it had reached instead of at midnight."""

    @classmethod
    def parse(cls, spec: str) -> "CronSpec":
        fields = cls._named_spec.get(spec.strip().lower(), spec).split()
        if len(fields) != 5:
            raise ValueError(f"{spec!r} is not a cron expression: it needs five fields, as in '*/5 * * * *'.")
        fields[4] = _weekdays(fields[4])
        try:
            parsed: CronSpec = super().parse(" ".join(fields))
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{spec!r} is not a cron expression: {error}.") from error
        for name, values, least, most in (
            ("minute", parsed.minute, 0, 59),
            ("hour", parsed.hour, 0, 23),
            ("day of month", parsed.dom, 1, 31),
            ("month", parsed.month, 1, 12),
            ("day of week", parsed.dow, 0, 7),
        ):
            if not values or values[0] < least or values[-1] > most:
                raise ValueError(f"{spec!r} is not a cron expression: {name} is not within {least}-{most}.")
        if {0, 7} & set(parsed.dow):
            parsed = parsed.replace(dow=sorted({*parsed.dow, 0, 7}))
        parsed.is_dow_restricted = len({day % 7 for day in parsed.dow}) < 7
        parsed.parsed_from = spec
        parsed.next_valid_date(pendulum.now())  # raises for what never happens, as 30 February
        return parsed

    def next_valid_date(self, last: Any) -> Any:
        """The first minute after `last` that matches."""
        zone = last.tzinfo
        instant = datetime.fromtimestamp(last.timestamp() // 60 * 60, UTC) + _MINUTE
        end = instant + _SEARCH
        while instant < end:
            local = instant.astimezone(zone)
            if not self._day_matches(local):
                midnight = datetime.combine(local.date() + timedelta(days=1), time.min, zone).astimezone(UTC)
                instant = max(midnight, instant + _MINUTE)  # where clocks change, a local midnight may lie behind us
            elif self.validate(local):
                return pendulum.instance(local)
            else:
                instant += _MINUTE
        raise ValueError(f"{self.parsed_from!r} is not a cron expression: it never happens.")

    def validate(self, date: datetime) -> bool:
        """Does it run in this minute?"""
        return date.minute in self.minute and date.hour in self.hour and self._day_matches(date)

    def _day_matches(self, date: datetime) -> bool:
        on_day, on_weekday = date.day in self.dom, date.isoweekday() in self.dow
        either = self.is_dom_restricted and self.is_dow_restricted
        return date.month in self.month and (on_day or on_weekday if either else on_day and on_weekday)


def _weekdays(field: str) -> str:
    """Names as numbers; a range that ends on Sunday ends on 7."""
    numbers = re.sub("|".join(_DAYS), lambda name: str(_DAYS.index(name[0])), field.lower())
    return re.sub(r"\b([1-6])-0\b", r"\1-7", numbers)


class Periodic(dramatiq.Middleware):
    """The actor option that periodiq's clock looks for. Nothing is skipped for being late: a late run is a run."""

    @property
    def actor_options(self) -> set[str]:
        return {"periodic"}
