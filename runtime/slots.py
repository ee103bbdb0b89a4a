"""How much a worker process may have in its hands at once: tasks of its event loop, and threads."""

import enum
import threading
import time
from collections.abc import Mapping

_RATE_OVER = 0.1  # seconds over which the rate is taken
_GATHER = 0.005  # seconds to wait for more room than one: a fetch of many costs little more than of one


class Kind(enum.Enum):
    """What a job takes while it runs."""

    TASK = "task"  # an async actor's
    THREAD = "thread"  # a sync actor's


class Slots:
    """Counted, by kind. Consumer threads take them, and whoever finishes a job gives them back. Thread-safe."""

    def __init__(self, tasks: int, threads: int) -> None:
        self.capacity = {Kind.TASK: tasks, Kind.THREAD: threads}
        self._free = dict(self.capacity)
        self._awaited = {Kind.TASK: tasks + 1, Kind.THREAD: threads + 1}  # how many free ones somebody waits for
        self._changed = threading.Condition()
        self._given = dict.fromkeys(Kind, 0)
        self._rate = dict.fromkeys(Kind, 0.0)
        self._rated_at = time.monotonic()

    def rate(self, kind: Kind) -> float:
        """How many were given back a second lately: how fast jobs of this kind end here."""
        with self._changed:
            elapsed = time.monotonic() - self._rated_at
            if elapsed >= _RATE_OVER:
                self._rate = {kind: given / elapsed for kind, given in self._given.items()}
                self._given = dict.fromkeys(Kind, 0)
                self._rated_at += elapsed
            return self._rate[kind]

    def wait(self, wanted: Mapping[Kind, int], timeout: float) -> bool:
        """Wait until as many of one of these kinds are free, and a moment for a good part more. False: none were."""
        with self._changed:
            if not self._wait(wanted, timeout):
                return False
            self._wait({kind: count + self.capacity[kind] // 4 for kind, count in wanted.items()}, _GATHER)
            return True

    def take(self, kind: Kind, most: int, beyond: int = 0) -> int:
        """Take up to `most` of those that are free now, and `beyond`."""
        with self._changed:
            taken = max(0, min(most, self._free[kind] + beyond))
            self._free[kind] -= taken
            return taken

    def give(self, kind: Kind, count: int = 1) -> None:
        """Give back."""
        with self._changed:
            self._free[kind] += count
            self._given[kind] += count
            if self._free[kind] >= self._awaited[kind]:
                self._awaited[kind] = self.capacity[kind] + 1
                self._changed.notify_all()

    def give_unused(self, kind: Kind, count: int) -> None:
        """Give back what nothing was done with: it does not count for the rate."""
        if count:
            self.give(kind, count)
            with self._changed:
                self._given[kind] -= count

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all are free."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout)

    def _is_idle(self) -> bool:
        self._awaited = dict.fromkeys(Kind, 0)  # whatever is given back may have been the last
        return self._free == self.capacity

    def _wait(self, wanted: Mapping[Kind, int], timeout: float) -> bool:
        """Wait until as many of any kind are free."""

        def enough() -> bool:
            if any(self._free[kind] >= count for kind, count in wanted.items()):
                return True
            for kind, count in wanted.items():  # set anew after every wake-up, for every waiter
                self._awaited[kind] = min(self._awaited[kind], count)
            return False

        return self._changed.wait_for(enough, timeout)
