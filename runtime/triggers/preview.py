"""What comes next, for people to look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from runtime.triggers.clock import exists_twice, first_change, wall
from runtime.triggers.trigger import Trigger


class Mark(StrEnum):
    """What a change of the clocks has to do with a run."""

    CHANGED = "changed"  # the first run after a change
    JUMP = "jump"  # at the very moment the clock jumps: perhaps for a time that it leaves out
    TWICE = "twice"  # the clock shows this time twice


@dataclass(frozen=True)
class PlannedRun:
    at: datetime  # in UTC
    local: datetime  # the same moment, with the zone's offset
    mark: Mark | None


def next_runs(trigger: Trigger, number: int, zone: ZoneInfo, after: datetime) -> list[PlannedRun]:
    """The next runs after a moment, as many as there are up to `number`."""
    runs: list[PlannedRun] = []
    while len(runs) < number:
        due = trigger.next_after(after)
        if due is None:
            break
        runs.append(PlannedRun(due, due.astimezone(zone), _mark(after, due, zone)))
        after = due
    return runs


def _mark(before: datetime, due: datetime, zone: ZoneInfo) -> Mark | None:
    if exists_twice(wall(due, zone), zone):
        return Mark.TWICE
    change = first_change(before, due, zone)
    if change is None:
        return None
    return Mark.JUMP if change == due else Mark.CHANGED
