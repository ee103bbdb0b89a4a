"""How much a worker process may have in its hands at once."""

import threading

_GATHER = 0.005  # seconds to wait for more room than one: a fetch of many costs little more than of one


class Slots:
    """A counted resource that consumer threads take from and whoever finishes a job gives back to. Thread-safe."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = capacity
        self._awaited = capacity + 1  # the number of free ones that somebody waits for
        self._changed = threading.Condition()

    @property
    def in_use(self) -> int:
        return self.capacity - self._free

    def take(self, most: int, timeout: float) -> int:
        """Take up to `most`: wait up to `timeout` seconds for the first, and a moment for a good part. 0 if none."""
        with self._changed:
            if self._wait(1, timeout):
                self._wait(max(1, most // 4), _GATHER)
            taken = min(most, self._free)
            self._free -= taken
            return taken

    def give(self, count: int = 1) -> None:
        """Give back."""
        with self._changed:
            self._free += count
            if self._free >= self._awaited:
                self._awaited = self.capacity + 1
                self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all are free."""
        with self._changed:
            return self._wait(self.capacity, timeout)

    def _wait(self, count: int, timeout: float) -> bool:
        def enough() -> bool:
            if self._free < count:
                self._awaited = min(self._awaited, count)  # set anew after every wake-up, for every waiter
            return self._free >= count

        return self._changed.wait_for(enough, timeout)
