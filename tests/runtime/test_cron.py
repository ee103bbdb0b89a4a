"""`cron()` means what cron means, Sundays and all: held against a look at every single minute."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

import actors
from runtime import cron

SATURDAY = pendulum.datetime(2026, 5, 30, 13, 45)  # two days before a Monday 1 June


def upcoming(expression: str, number: int, after: Any = SATURDAY) -> list[str]:
    spec, found = cron(expression), []
    for _ in range(number):
        after = spec.next_valid_date(after)
        found.append(after.format("ddd YYYY-MM-DD HH:mm"))
    return found


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_has_three_names(sunday: str) -> None:
    assert upcoming(f"30 4 * * {sunday}", 2) == ["Sun 2026-05-31 04:30", "Sun 2026-06-07 04:30"]


def test_weekly_is_midnight_to_sunday() -> None:
    assert upcoming("@weekly", 2) == ["Sun 2026-05-31 00:00", "Sun 2026-06-07 00:00"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@hourly", ["Sat 2026-05-30 14:00", "Sat 2026-05-30 15:00"]),
        ("@daily", ["Sun 2026-05-31 00:00", "Mon 2026-06-01 00:00"]),
        ("@midnight", ["Sun 2026-05-31 00:00", "Mon 2026-06-01 00:00"]),
        ("@monthly", ["Mon 2026-06-01 00:00", "Wed 2026-07-01 00:00"]),
        ("@yearly", ["Fri 2027-01-01 00:00", "Sat 2028-01-01 00:00"]),
        ("@annually", ["Fri 2027-01-01 00:00", "Sat 2028-01-01 00:00"]),
        ("*/20 * * * *", ["Sat 2026-05-30 14:00", "Sat 2026-05-30 14:20"]),
        ("0 0 * * mon", ["Mon 2026-06-01 00:00", "Mon 2026-06-08 00:00"]),
        ("0 9-17/4 * * *", ["Sat 2026-05-30 17:00", "Sun 2026-05-31 09:00"]),
        ("0 0 * * fri-sun", ["Sun 2026-05-31 00:00", "Fri 2026-06-05 00:00"]),
        ("0 0 * * 5-7", ["Sun 2026-05-31 00:00", "Fri 2026-06-05 00:00"]),
        ("0 0 * * 5-0", ["Sun 2026-05-31 00:00", "Fri 2026-06-05 00:00"]),
        ("0 0 * * sun-tue", ["Sun 2026-05-31 00:00", "Mon 2026-06-01 00:00"]),
        ("0 0 * * mon,wed", ["Mon 2026-06-01 00:00", "Wed 2026-06-03 00:00"]),
        ("0 0 * * 1-5/2", ["Mon 2026-06-01 00:00", "Wed 2026-06-03 00:00"]),
        ("0 0 31 * *", ["Sun 2026-05-31 00:00", "Fri 2026-07-31 00:00"]),
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("0 0 2 * mon", ["Mon 2026-06-01 00:00", "Tue 2026-06-02 00:00"]),
        ("0 0 2 * sun-fri", ["Sun 2026-05-31 00:00", "Mon 2026-06-01 00:00"]),
        ("  5 0 * 8 *  ", ["Sat 2026-08-01 00:05", "Sun 2026-08-02 00:05"]),
    ],
)
def test_expressions_mean_what_cron_means(expression: str, expected: list[str]) -> None:
    assert upcoming(expression, 2) == expected


@pytest.mark.parametrize(
    "bad",
    [
        "", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * 0 *", "* * * * 8", "-1 * * * *", "a * * * *", "* * * * sunday", "* * * * mo", "*/0 * * * *",
        "*/-5 * * * *", "5-1 * * * *", "1,,2 * * * *", "1-2-3 * * * *", "@never", "@", "1.5 * * * *", "* * * * 6-1",
        "0 0 31 2 *", "0 0 30 feb *",
    ],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused_with_its_text(bad: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(bad))):
        cron(bad)


def test_it_shows_what_was_written() -> None:
    assert str(cron("0 0 * * fri-sun")) == "0 0 * * fri-sun"


# ---- against every minute


def field(least: int, most: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field's text and the values it stands for."""
    value = st.integers(least, most)

    def interval(ends: tuple[int, int], step: int | None) -> tuple[str, frozenset[int]]:
        low, high = sorted(ends)
        text = f"{low}-{high}" if step is None else f"{low}-{high}/{step}"
        return text, frozenset(range(low, high + 1, step or 1))

    part = st.one_of(
        value.map(lambda v: (str(v), frozenset([v]))),
        st.builds(interval, st.tuples(value, value), st.none() | st.integers(1, 20)),
    )
    listed = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), frozenset().union(*(values for _, values in parts)))
    )
    return st.just(("*", frozenset(range(least, most + 1)))) | listed


def matches(
    moment: datetime, minutes: Any, hours: Any, days: Any, months: Any, weekdays: Iterable[int], *, either: bool
) -> bool:
    """crontab(5): where neither the day of the month nor that of the week begins with a star, either will do."""
    of_week = {weekday % 7 for weekday in weekdays}
    on_day, on_weekday = moment.day in days, moment.isoweekday() % 7 in of_week
    return (
        moment.minute in minutes
        and moment.hour in hours
        and moment.month in months
        and (on_day or on_weekday if either else on_day and on_weekday)
    )


@settings(max_examples=150, deadline=None)
@given(
    fields=st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)),
    start=st.datetimes(datetime(2023, 12, 1), datetime(2028, 3, 31)),  # noqa: DTZ001 (Hypothesis wants them so)
)
def test_the_next_date_is_the_first_minute_that_matches(
    fields: tuple[tuple[str, frozenset[int]], ...], start: datetime
) -> None:
    """Given any expression and any moment, then no minute between the moment and the next date matches, and that
    one does: looked for over 40 days."""
    expression = " ".join(text for text, _ in fields)
    values = [value for _, value in fields]
    either = "*" not in (fields[2][0], fields[4][0])
    try:
        spec = cron(expression)
    except ValueError:
        possible = {
            (m, d) for m in values[3] for d in values[2] if d <= (29 if m == 2 else 30 if m in {4, 6, 9, 11} else 31)
        }
        assert not possible, "refused only because no such day exists"
        return
    moment = start.replace(second=0, microsecond=0, tzinfo=UTC)
    found = spec.next_valid_date(pendulum.instance(start.replace(tzinfo=UTC)))
    for _ in range(40 * 24 * 60):
        moment += timedelta(minutes=1)
        if matches(moment, *values, either=either):
            assert (found, spec.validate(found)) == (moment, True)
            return
    assert found > moment


CHANGES = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],  # by half an hour
}


PERIODIC = {
    actor.actor_name: str(actor.options["periodic"])
    for actor in actors.broker.actors.values()
    if "periodic" in actor.options
}


@pytest.mark.parametrize("name", PERIODIC)
@pytest.mark.parametrize("zone", CHANGES)
def test_every_actor_runs_when_cron_would_run_it(name: str, zone: str) -> None:
    """Given the actors of this repository, then their next 200 runs are those that CronSim tells of cron."""
    start = datetime(2026, 3, 1, 12, 7, tzinfo=ZoneInfo(zone))
    spec, moment = cron(PERIODIC[name]), pendulum.instance(start)
    for due in islice(CronSim(PERIODIC[name], start), 200):
        moment = spec.next_valid_date(moment)
        assert moment.timestamp() == due.timestamp()
        assert spec.validate(moment)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("zone", "day"), [(zone, day) for zone, days in CHANGES.items() for day in days])
@pytest.mark.parametrize("expression", ["30 2 * * *", "15 1 * * *", "*/30 * * * *", "0 0 * * 0", "0 3 * * *"])
def test_over_a_clock_change_it_neither_stops_nor_goes_back(zone: str, day: str, expression: str) -> None:
    """Given the days around a clock change, then each date is later than the one before and matches."""
    spec, moment = cron(expression), pendulum.from_format(day, "YYYY-MM-DD", tz=zone).subtract(days=2)
    end = moment.add(days=12)
    while moment < end:
        following = spec.next_valid_date(moment)
        assert following.timestamp() > moment.timestamp()
        assert following.timestamp() - moment.timestamp() <= (8 if expression.endswith("0") else 2) * 86_400
        assert spec.validate(following)
        moment = following
