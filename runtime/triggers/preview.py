"""What comes next, for people to look at."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from runtime.triggers.clock import exists_twice, first_change, wall
from runtime.triggers.trigger import Trigger


class Mark(StrEnum):
    """What a change of the clocks has to do with a run."""

    CHANGED = "changed"  # the offset is another than at the run before
    JUMP = "jump"  # at the very moment the clock jumps: perhaps for a time that it leaves out
    TWICE = "twice"  # the clock shows this time twice


@dataclass(frozen=True)
class PlannedRun:
    at: datetime  # in UTC
    local: datetime  # the same moment, with the zone's offset
    mark: Mark | None


def next_runs(trigger: Trigger, number: int, zone: tzinfo, after: datetime) -> list[PlannedRun]:
    """The next runs after a moment, as many as there are up to `number`."""
    runs: list[PlannedRun] = []
    while len(runs) < number:
        due = trigger.next_after(after)
        if due is None:
            break
        runs.append(PlannedRun(due, due.astimezone(zone), _mark(after, due, zone)))
        after = due
    return runs


def _mark(before: datetime, due: datetime, zone: tzinfo) -> Mark | None:
    if exists_twice(wall(due, zone), zone):
        return Mark.TWICE
    if first_change(due - timedelta(seconds=1), due, zone) == due:
        return Mark.JUMP
    return Mark.CHANGED if due.astimezone(zone).utcoffset() != before.astimezone(zone).utcoffset() else None
