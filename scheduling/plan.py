"""What becomes of a schedule's planned times once they have come: pure, so that every case of it can be tried.

In time is a run that is at most `misfire_grace` late. Those that are not, because no scheduler ran or the database was
away, follow `misfire`:

    skip       none of them is made
    run_once   one is made, the latest, and stands for the others
    catch_up   the latest `misfire_max` are made

Then `overlap` says what becomes of each that is to be made while the last one still goes:

    allow             it is made
    skip              it is not
    queue_one         it waits for the end of the last one, if none waits already
    cancel_previous   it is made, and those that still go are cancelled
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from runtime.triggers import Trigger

MOST = 10_000  # planned times of one schedule that are looked at; of more only those of the last hour
_RECENT = timedelta(hours=1)  # in which no schedule is due more often than that
_FORGOTTEN = f"misfired: {MOST:,} times or more, too many to be looked at one by one"

Fate = Literal["run", "wait", "skipped", "shadow"]


@dataclass(frozen=True)
class Rules:
    misfire: str
    misfire_max: int
    misfire_grace: float  # seconds
    overlap: str
    shadow: bool
    left: int | None  # runs that may still be made; None: no limit


@dataclass
class Decision:
    """Of one planned time; of several in a row that are not made for one reason."""

    planned_at: datetime
    fate: Fate
    reason: str | None = None
    planned_until: datetime | None = None
    times: int = 1


@dataclass(frozen=True)
class Due:
    """The planned times that have come, and the next one; `forgotten` are so many and so long ago that they are not
    looked at one by one."""

    times: Sequence[datetime]
    following: datetime | None
    forgotten: Decision | None = None


def due_times(trigger: Trigger, first: datetime, now: datetime, end: datetime | None) -> Due:
    """From the first one that is due on; none is later than `end`."""
    forgotten = None
    times: list[datetime] = []
    following: datetime | None = first
    while following is not None and following <= now and (end is None or following <= end):
        if len(times) == MOST:
            forgotten = Decision(first, "skipped", _FORGOTTEN, planned_until=times[-1], times=MOST)
            following = trigger.next_after(max(times[-1], now - _RECENT))
            times.clear()
            continue
        times.append(following)
        following = trigger.next_after(following)
    return Due(times, None if following is None or (end is not None and following > end) else following, forgotten)


def decide(times: Sequence[datetime], now: datetime, rules: Rules, *, running: bool, waiting: bool) -> list[Decision]:
    """What becomes of each of them, in order."""
    return list(_merged(_overlapped(_on_time(times, now, rules), rules, running, waiting)))


def _on_time(times: Sequence[datetime], now: datetime, rules: Rules) -> list[Decision]:
    late = [time for time in times if (now - time).total_seconds() > rules.misfire_grace]
    made = {"skip": 0, "run_once": 1, "catch_up": rules.misfire_max}[rules.misfire]
    dropped = set(late[: max(0, len(late) - made)])
    reason = {
        "skip": "misfired: it could not be made in time",
        "run_once": "misfired: a later run stands for it",
        "catch_up": f"misfired: only the latest {rules.misfire_max} are made up for",
    }[rules.misfire]
    return [Decision(time, "skipped", reason) if time in dropped else Decision(time, "run") for time in times]


def _overlapped(decisions: list[Decision], rules: Rules, running: bool, waiting: bool) -> Iterator[Decision]:
    left = rules.left
    last = max((index for index, each in enumerate(decisions) if each.fate == "run"), default=None)
    for index, decision in enumerate(decisions):
        if decision.fate == "skipped":
            pass
        elif left == 0:
            break
        elif rules.overlap == "cancel_previous" and index != last:
            decision.fate, decision.reason = "skipped", "overlap: a later run takes its place at once"
        elif running and rules.overlap == "skip":
            decision.fate, decision.reason = "skipped", "overlap: the last run still goes"
        elif running and rules.overlap == "queue_one" and waiting:
            decision.fate, decision.reason = (
                "skipped",
                "overlap: the last run still goes, and one waits already",
            )
        elif running and rules.overlap == "queue_one":
            decision.fate, waiting = "wait", True
        else:
            running = not rules.shadow
        if decision.fate in ("run", "wait"):
            left = None if left is None else left - 1
            if rules.shadow:
                decision.fate, decision.reason = "shadow", "shadow: it would have been made"
        yield decision


def _merged(decisions: Iterator[Decision]) -> Iterator[Decision]:
    """Several in a row that are not made for one reason become one."""
    pending: Decision | None = None
    for decision in decisions:
        if pending and decision.fate == "skipped" and decision.reason == pending.reason:
            pending.times += 1
            pending.planned_until = decision.planned_at
            continue
        if pending:
            yield pending
        pending = decision if decision.fate == "skipped" else None
        if pending is None:
            yield decision
    if pending:
        yield pending
