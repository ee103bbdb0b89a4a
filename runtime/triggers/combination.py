"""Several triggers as one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from runtime.triggers.trigger import Trigger

_SEARCH = timedelta(days=366 * 8)  # 29 February comes back within eight years
_STEPS = 2_000


class AnyOf:
    """Due whenever one of them is; what is due twice at once is due once."""

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._triggers = triggers

    def next_after(self, moment: datetime) -> datetime | None:
        return min((due for trigger in self._triggers if (due := trigger.next_after(moment))), default=None)


class AllOf:
    """Due when all of them are, at the same moment.

    APScheduler's own looks for that for ever; this looks at 2,000 moments in eight years at most.
    """

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._triggers = triggers

    def next_after(self, moment: datetime) -> datetime | None:
        end = moment + _SEARCH
        for _ in range(_STEPS):
            found = [trigger.next_after(moment) for trigger in self._triggers]
            due = [each for each in found if each is not None]
            if len(due) < len(found) or max(due) > end:
                return None
            if min(due) == max(due):
                return due[0]
            moment = max(due) - timedelta(microseconds=1)  # no earlier one can be common to all
        return None
