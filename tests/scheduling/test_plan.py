"""What becomes of planned times: misfire, overlap, repeat, shadow."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.triggers import build
from scheduling.plan import MOST, Decision, Rules, decide, due_times

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES: dict[str, Any] = {
    "misfire": "run_once", "misfire_max": 1, "misfire_grace": 5.0, "overlap": "allow", "shadow": False, "left": None,
}  # fmt: skip


def ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=each) for each in seconds]


def fates(
    times: list[datetime], running: bool = False, waiting: bool = False, **rules: Any
) -> list[tuple[float, str, int]]:
    """Seconds ago, fate, and how many times it stands for."""
    found = decide(times, NOW, Rules(**RULES | rules), running=running, waiting=waiting)
    return [((NOW - each.planned_at).total_seconds(), each.fate, each.times) for each in found]


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("skip", [(40, "skipped", 4), (4, "run", 1)]),
        ("run_once", [(40, "skipped", 3), (10, "run", 1), (4, "run", 1)]),
        ("catch_up", [(40, "skipped", 2), (20, "run", 1), (10, "run", 1), (4, "run", 1)]),
    ],
)
def test_what_is_later_than_the_grace_follows_the_misfire_policy(misfire: str, expected: Any) -> None:
    """Given runs 40, 30, 20 and 10 s late and one 4 s late, with 5 s of grace, then only those four have misfired."""
    assert fates(ago(40, 30, 20, 10, 4), misfire=misfire, misfire_max=2) == expected


@pytest.mark.parametrize(
    ("overlap", "running", "waiting", "expected"),
    [
        ("allow", True, False, ["run", "run", "run"]),
        ("skip", False, False, ["run", "skipped"]),
        ("skip", True, False, ["skipped"]),
        ("queue_one", False, False, ["run", "wait", "skipped"]),
        ("queue_one", True, False, ["wait", "skipped"]),
        ("queue_one", True, True, ["skipped"]),
        ("cancel_previous", True, False, ["skipped", "run"]),
    ],
)
def test_what_is_due_while_the_last_one_goes_follows_the_overlap_policy(
    overlap: str, running: bool, waiting: bool, expected: list[str]
) -> None:
    found = fates(ago(3, 2, 1), overlap=overlap, running=running, waiting=waiting)
    assert [fate for _, fate, _ in found] == expected


def test_no_more_runs_are_made_than_are_left() -> None:
    assert fates(ago(3, 2, 1), left=2) == [(3, "run", 1), (2, "run", 1)]
    assert fates(ago(3, 2, 1), left=0) == []


def test_a_shadow_records_what_it_would_have_run() -> None:
    assert fates(ago(10, 9, 1), shadow=True, overlap="skip") == [(10, "skipped", 1), (9, "shadow", 1), (1, "shadow", 1)]


def test_what_is_not_made_has_its_reason_and_its_span() -> None:
    (skipped, _) = decide(ago(40, 30, 1), NOW, Rules(**RULES | {"misfire": "skip"}), running=False, waiting=False)
    assert skipped == Decision(NOW - 40 * SECOND, "skipped", skipped.reason, NOW - 30 * SECOND, times=2)
    assert skipped.reason is not None
    assert skipped.reason.startswith("misfired")


@given(
    late=st.lists(st.integers(0, 100), min_size=1, max_size=30, unique=True),
    misfire=st.sampled_from(["skip", "run_once", "catch_up"]),
    overlap=st.sampled_from(["allow", "skip", "queue_one", "cancel_previous"]),
    most=st.integers(1, 5),
    running=st.booleans(),
    waiting=st.booleans(),
)
def test_every_planned_time_is_accounted_for(
    late: list[int], misfire: str, overlap: str, most: int, running: bool, waiting: bool
) -> None:
    """Given any times and policies, then each is made, waits, or is one of those that are not made, with a reason."""
    times = ago(*sorted(late, reverse=True))
    rules = Rules(**RULES | {"misfire": misfire, "misfire_max": most, "overlap": overlap})
    found = decide(times, NOW, rules, running=running, waiting=waiting)
    assert sum(each.times for each in found) == len(times)
    assert all(each.reason for each in found if each.fate == "skipped")
    assert [each.planned_at for each in found] == sorted(each.planned_at for each in found)
    if overlap == "skip":
        assert sum(each.fate == "run" for each in found) <= (0 if running else 1)
    if misfire == "skip":
        assert all((NOW - each.planned_at).total_seconds() <= 5 for each in found if each.fate in ("run", "wait"))


def interval(seconds: int) -> Any:
    return build("interval", {"seconds": seconds}, ZoneInfo("UTC"), NOW - timedelta(days=30))


def test_all_times_that_have_come_are_found_and_the_next_one() -> None:
    due = due_times(interval(10), NOW - 30 * SECOND, NOW, None)
    assert list(due.times) == ago(30, 20, 10, 0)
    assert due.following == NOW + 10 * SECOND


def test_none_is_later_than_the_end() -> None:
    due = due_times(interval(10), NOW - 30 * SECOND, NOW, NOW - 15 * SECOND)
    assert list(due.times) == ago(30, 20)
    assert due.following is None


def test_of_a_month_of_seconds_only_the_latest_are_looked_at() -> None:
    """Given a schedule of each second and a scheduler that was away for 30 days, then the work is bounded, and the
    latest times are among those looked at."""
    due = due_times(interval(1), NOW - timedelta(days=30), NOW, None)
    assert len(due.times) <= MOST
    assert (due.times[0], due.times[-1]) == (NOW - timedelta(hours=1) + SECOND, NOW)
    assert due.forgotten is not None
    assert due.forgotten.planned_at == NOW - timedelta(days=30)
    assert due.following == NOW + SECOND
