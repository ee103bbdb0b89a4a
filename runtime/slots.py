"""How much a worker process may have in its hands at once: tasks of its event loop, and threads."""

import enum
import threading
from collections.abc import Collection

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

    def wait(self, kinds: Collection[Kind], timeout: float) -> bool:
        """Wait until one of any of these kinds is free, and a moment for a good part of them. False: none was."""
        with self._changed:
            if not self._wait(dict.fromkeys(kinds, 1), timeout):
                return False
            self._wait({kind: self.capacity[kind] // 4 or 1 for kind in kinds}, _GATHER)
            return True

    def take(self, kind: Kind, most: int) -> int:
        """Take up to `most` of those that are free now."""
        with self._changed:
            taken = min(most, self._free[kind])
            self._free[kind] -= taken
            return taken

    def give(self, kind: Kind, count: int = 1) -> None:
        """Give back."""
        with self._changed:
            self._free[kind] += count
            if self._free[kind] >= self._awaited[kind]:
                self._awaited[kind] = self.capacity[kind] + 1
                self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all are free."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout)

    def _is_idle(self) -> bool:
        self._awaited = dict.fromkeys(Kind, 0)  # whatever is given back may have been the last
        return self._free == self.capacity

    def _wait(self, wanted: dict[Kind, int], timeout: float) -> bool:
        """Wait until as many of any kind are free."""

        def enough() -> bool:
            if any(self._free[kind] >= count for kind, count in wanted.items()):
                return True
            for kind, count in wanted.items():  # set anew after every wake-up, for every waiter
                self._awaited[kind] = min(self._awaited[kind], count)
            return False

        return self._changed.wait_for(enough, timeout)
