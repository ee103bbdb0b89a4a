"""How much a worker process may have in its hands at once."""

import threading


class Slots:
    """A counted resource that consumer threads take from and whoever finishes a job gives back to. Thread-safe."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = capacity
        self._changed = threading.Condition()

    @property
    def in_use(self) -> int:
        return self.capacity - self._free

    def take(self, most: int, timeout: float) -> int:
        """Take up to `most`, waiting up to `timeout` seconds for the first; 0 if there was none."""
        with self._changed:
            self._changed.wait_for(lambda: self._free > 0, timeout)
            taken = min(most, self._free)
            self._free -= taken
            return taken

    def give(self, count: int = 1) -> None:
        """Give back."""
        if count:
            with self._changed:
                self._free += count
                self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all are free."""
        with self._changed:
            return self._changed.wait_for(lambda: self._free == self.capacity, timeout)
