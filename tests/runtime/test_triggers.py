"""When schedules run: intervals, cron on wall clocks that are changed, dates, combinations; checked against CronSim."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import BadArguments
from runtime.triggers import Mark, build, next_runs, zone_of
from runtime.triggers.clock import first_change
from runtime.triggers.simple import Interval

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
ZONE_NAMES = [
    "Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Havana", "America/New_York", "America/Nuuk",
    "America/Santiago", "America/Sao_Paulo", "America/St_Johns", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem",
    "Asia/Kolkata", "Asia/Tehran", "Atlantic/Azores", "Australia/Lord_Howe", "Australia/Sydney", "Europe/Berlin",
    "Europe/London", "Pacific/Chatham",
]  # fmt: skip
FIRST, LAST = datetime(2017, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def cron(expression: str, zone: str = "UTC") -> Any:
    return build("cron", {"expression": expression}, ZoneInfo(zone), ANCHOR)


def following(trigger: Any, number: int, after: datetime) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < number:
        after = trigger.next_after(after)
        found.append(after)
    return found


def changes(zone: ZoneInfo) -> list[datetime]:
    found, moment = [], FIRST
    while (change := first_change(moment, LAST, zone)) is not None:
        found.append(change)
        moment = change
    return found


CHANGES = [(name, change) for name in ZONE_NAMES for change in changes(ZoneInfo(name))]
NEAR = {
    place: [change for name, change in CHANGES if name == place[0] and abs(change - place[1]) < 400 * DAY]
    for place in CHANGES
}


def test_ten_years_of_changes_are_looked_at() -> None:
    assert len(ZONE_NAMES) == 20
    assert len(CHANGES) > 250


# ---- clock changes


def test_a_time_that_does_not_exist_runs_when_the_clock_jumps() -> None:
    """Given 02:30 in Berlin, then on 29 March 2026 it runs at 03:00 summer time, and at 02:30 before and after."""
    runs = following(cron("30 2 * * *", "Europe/Berlin"), 3, datetime(2026, 3, 28, tzinfo=UTC))
    assert [run.isoformat() for run in runs] == [
        "2026-03-28T01:30:00+00:00", "2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00",
    ]  # fmt: skip


def test_times_that_one_jump_leaves_out_run_once_together() -> None:
    runs = following(cron("0,15,30 2,3 29 3 *", "Europe/Berlin"), 4, datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert [run.strftime("%m-%d %H:%M") for run in runs] == ["03-29 01:00", "03-29 01:15", "03-29 01:30", "03-29 00:00"]


def test_a_time_that_exists_twice_runs_once() -> None:
    """Given 02:30 in Berlin, then on 25 October 2026 it runs at the first 02:30 only."""
    runs = following(cron("30 2 * * *", "Europe/Berlin"), 3, datetime(2026, 10, 24, tzinfo=UTC))
    assert [run.isoformat() for run in runs] == [
        "2026-10-24T00:30:00+00:00", "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00",
    ]  # fmt: skip


@pytest.mark.parametrize("start", ["2026-03-28T22:00", "2026-10-24T22:00"])
def test_what_says_how_often_counts_elapsed_time(start: str) -> None:
    """Given every half an hour, then neither change of the clocks makes a gap or doubles a run."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    runs = following(cron("*/30 * * * *", "Europe/Berlin"), 12, moment)
    assert runs == [moment + timedelta(minutes=30 * n) for n in range(1, 13)]


def test_an_interval_counts_elapsed_time() -> None:
    """Given 24 hours from noon in Berlin, then after the change it runs at 13:00 on the wall."""
    noon = datetime(2026, 3, 28, 11, tzinfo=UTC)
    trigger = build("interval", {"hours": 24}, ZoneInfo("Europe/Berlin"), noon)
    assert following(trigger, 2, noon) == [noon + DAY, noon + 2 * DAY]


def says_how_often(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")


def misleads_cronsim(change: datetime, zone: ZoneInfo) -> bool:
    """Around a change at midnight CronSim gives out a midnight that no clock shows, or loses the day's first hour;
    after one by half an hour, or at a quarter to, it goes on in steps of an hour from the wrong minute."""
    before, after = ((change + timedelta(seconds=n)).astimezone(zone) for n in (-1, 0))
    (was, then) = (moment.utcoffset() or timedelta() for moment in (before, after))
    at_midnight = before.date() != after.date() or 0 in (before.hour, after.hour)
    return at_midnight or after.minute != 0 or bool((then - was).seconds % 3600)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["0", "30", "15,45", "5-10", "*", "*/20", "59"]))
    hour = draw(st.sampled_from(["0", "1", "2", "3", "23", "0-3", "1,2", "*", "*/2", "22-23"]))
    day = draw(st.sampled_from(["*", "*", "*", "1", "29", "25-31", "*/2"]))
    month = draw(st.sampled_from(["*", "*", "3,10", "1-6", "feb"]))
    weekday = draw(st.sampled_from(["*", "*", "0", "7", "sun", "1-5", "sat,sun"]))
    return f"{minute} {hour} {day} {month} {weekday}"


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(CHANGES), hours=st.integers(-50, 26), expression=expressions())
def test_it_agrees_with_cronsim_around_every_clock_change(
    place: tuple[str, datetime], hours: int, expression: str
) -> None:
    """Given any of 20 zones, any of its changes in ten years and an expression, then the next runs are CronSim's, but
    for what docs/scheduling.md says of both."""
    name, change = place
    zone, start = ZoneInfo(name), change + timedelta(hours=hours, minutes=7)
    ours = following(cron(expression, name), 8, start)
    if says_how_often(expression) and any(misleads_cronsim(each, zone) for each in NEAR[place]):
        return  # the next test looks at those
    theirs = dict.fromkeys(due.astimezone(UTC) for due in islice(CronSim(expression, start.astimezone(zone)), 12))
    assert ours == [due for due in theirs if due > start][:8]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(CHANGES), expression=expressions().filter(says_how_often))
def test_what_says_how_often_runs_whenever_the_clock_shows_it(place: tuple[str, datetime], expression: str) -> None:
    """Given the two days around a clock change, then it is due in every minute that matches, and in no other."""
    name, change = place
    zone, moment = ZoneInfo(name), change - DAY
    due = cron(expression, name).next_after(moment)
    while moment < change + DAY:
        moment += timedelta(minutes=1)
        shown = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        assert (due == moment) == (next(CronSim(expression, shown - timedelta(minutes=1))) == shown)
        if due == moment:
            due = cron(expression, name).next_after(moment)


# ---- the other kinds


def test_the_units_of_an_interval_add_up() -> None:
    trigger = build("interval", {"minutes": 1, "seconds": 30}, ZoneInfo("UTC"), ANCHOR)
    assert following(trigger, 2, ANCHOR) == [ANCHOR + timedelta(seconds=90), ANCHOR + timedelta(seconds=180)]


@given(seconds=st.integers(1, 10**6), after=st.integers(0, 10**9), micro=st.integers(0, 999_999))
def test_an_interval_is_exact_however_long_ago_it_began(seconds: int, after: int, micro: int) -> None:
    moment = ANCHOR + timedelta(seconds=after, microseconds=micro)
    due = build("interval", {"seconds": seconds}, ZoneInfo("UTC"), ANCHOR).next_after(moment)
    assert due is not None
    assert timedelta() < due - moment <= timedelta(seconds=seconds)
    assert (due - ANCHOR) % timedelta(seconds=seconds) == timedelta()


@pytest.mark.parametrize("text", ["2026-07-01T09:00", "2026-07-01T07:00Z", "2026-07-01T09:00+02:00"])
def test_a_date_is_due_once(text: str) -> None:
    trigger = build("date", {"run_at": text}, ZoneInfo("Europe/Berlin"), ANCHOR)
    due = datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert trigger.next_after(ANCHOR) == due
    assert trigger.next_after(due) is None


def test_any_of_several_is_due_once_where_two_meet() -> None:
    parts = [{"type": "interval", "hours": 2}, {"type": "interval", "hours": 3}]
    trigger = build("combination", {"any": parts}, ZoneInfo("UTC"), ANCHOR)
    assert [due.hour for due in following(trigger, 5, ANCHOR)] == [2, 3, 4, 6, 8]


def test_all_of_several_is_due_where_they_meet() -> None:
    parts = [{"type": "cron", "expression": "0 9 * * *"}, {"type": "cron", "expression": "0 */3 * * fri"}]
    trigger = build("combination", {"all": parts}, ZoneInfo("UTC"), ANCHOR)
    assert [f"{due:%a %H}" for due in following(trigger, 3, ANCHOR)] == ["Fri 09"] * 3


def test_all_of_what_never_meets_is_never_due() -> None:
    parts = [{"type": "cron", "expression": "0 9 * * *"}, {"type": "cron", "expression": "0 10 * * *"}]
    assert build("combination", {"all": parts}, ZoneInfo("UTC"), ANCHOR).next_after(ANCHOR) is None


@pytest.mark.parametrize(
    ("job_type", "config", "path"),
    [
        ("hourly", {}, "job_type"),
        ("interval", {}, "schedule_config"),
        ("interval", {"seconds": 0}, "schedule_config"),
        ("interval", {"seconds": -1}, "schedule_config.seconds"),
        ("interval", {"seconds": 1.5}, "schedule_config.seconds"),
        ("interval", {"seconds": True}, "schedule_config.seconds"),
        ("interval", {"weeks": 10**12}, "schedule_config"),
        ("interval", {"months": 1}, "schedule_config.months"),
        ("cron", {}, "schedule_config.expression"),
        ("cron", {"expression": 5}, "schedule_config.expression"),
        ("cron", {"expression": "0 0 31 2 *"}, "schedule_config.expression"),
        ("cron", {"expression": "0 0 * * 8"}, "schedule_config.expression"),
        ("date", {"run_at": "tomorrow"}, "schedule_config.run_at"),
        ("date", {"run_at": 5}, "schedule_config.run_at"),
        ("date", {"run_at": "0001-01-01"}, "schedule_config.run_at"),
        ("date", {"run_at": "9999-12-31T23:59-12:00"}, "schedule_config.run_at"),
        ("combination", {}, "schedule_config"),
        ("combination", {"any": []}, "schedule_config.any"),
        ("combination", {"any": [5]}, "schedule_config.any[0]"),
        ("combination", {"any": [{"type": "combination", "any": []}]}, "schedule_config.any[0]"),
        ("combination", {"all": [{"type": "interval", "seconds": 0}]}, "schedule_config.all[0]"),
        (
            "combination",
            {"any": [{"type": "interval", "hours": 1}, {"type": "cron", "expression": "* *"}]},
            "schedule_config.any[1].expression",
        ),
    ],
)
def test_what_is_no_configuration_is_refused_by_its_path(job_type: str, config: dict[str, Any], path: str) -> None:
    with pytest.raises(BadArguments) as refused:
        build(job_type, config, ZoneInfo("UTC"), ANCHOR)
    assert refused.value.path == path


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/berlin", "../../etc/passwd", "UTC\0", "europe"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(BadArguments, match="no time zone"):
        zone_of(name)


# ---- previews


def test_a_preview_marks_what_a_clock_change_does() -> None:
    zone = ZoneInfo("Europe/Berlin")
    spring = next_runs(cron("30 2 * * *", zone.key), 3, zone, datetime(2026, 3, 28, tzinfo=UTC))
    autumn = next_runs(cron("30 2 * * *", zone.key), 3, zone, datetime(2026, 10, 24, tzinfo=UTC))
    assert [(f"{run.local:%d %H:%M%z}", run.mark) for run in spring] == [
        ("28 02:30+0100", None), ("29 03:00+0200", Mark.JUMP), ("30 02:30+0200", None),
    ]  # fmt: skip
    assert [(f"{run.local:%d %H:%M%z}", run.mark) for run in autumn] == [
        ("24 02:30+0200", None), ("25 02:30+0200", Mark.TWICE), ("26 02:30+0100", Mark.CHANGED),
    ]  # fmt: skip


def test_a_preview_ends_where_the_runs_do() -> None:
    trigger = build("date", {"run_at": "2026-07-01T09:00"}, ZoneInfo("UTC"), ANCHOR)
    assert len(next_runs(trigger, 5, ZoneInfo("UTC"), ANCHOR)) == 1


# ---- counting by the hour

EXPRESSIONS = [
    "* * * * *", "*/5 * * * *", "0,30 8-18 * * mon-fri", "17 3 * * sun", "0 0 13 * fri", "59 23 1 * *", "0 12 1-7 6 1",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata"]),
    hour=st.integers(0, 24 * 400),
)
def test_a_count_by_the_hour_is_what_a_look_at_each_run_finds(expression: str, zone: str, hour: int) -> None:
    start, hours = ANCHOR + timedelta(hours=hour), 50
    trigger = cron(expression, zone)
    counts = trigger.by_hour(start, hours)
    if counts is None:  # it says so, where clocks are changed or show half hours
        near = first_change(start - DAY, start + timedelta(hours=hours + 24), ZoneInfo(zone))
        assert near is not None or zone == "Asia/Kolkata"
    else:
        assert counts == looked_at(trigger, start, hours)


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.integers(20, 300_000),
    offset=st.timedeltas(timedelta(days=-3), timedelta(days=3)),
)
def test_an_interval_is_counted_by_the_hour(seconds: int, offset: timedelta) -> None:
    trigger = Interval(seconds, ANCHOR + offset)
    assert trigger.by_hour(ANCHOR, 50) == looked_at(trigger, ANCHOR, 50)


def looked_at(trigger: Any, start: datetime, hours: int) -> list[int]:
    counts, hour = [0] * hours, timedelta(hours=1)
    due = trigger.next_after(start - timedelta(microseconds=1))
    while due is not None and due < start + hours * hour:
        counts[(due - start) // hour] += 1
        due = trigger.next_after(due)
    return counts
