"""The sync jobs that run on Dramatiq's threads, and how they are interrupted there."""

import threading

from dramatiq.middleware.threading import Interrupt, raise_thread_exception

from runtime.delivery import Delivery


class Threads:
    """Entered and left by the threads themselves, interrupted from the event loop."""

    def __init__(self) -> None:
        self._running: dict[int, Delivery] = {}  # by thread
        self._lock = threading.Lock()

    def enter(self, delivery: Delivery) -> None:
        with self._lock:
            self._running[threading.get_ident()] = delivery

    def leave(self, delivery: Delivery) -> None:
        with self._lock:
            if self._running.get(threading.get_ident()) is delivery:
                del self._running[threading.get_ident()]

    def running(self) -> list[Delivery]:
        with self._lock:
            return list(self._running.values())

    def interrupt(self, delivery: Delivery, kind: type[Interrupt]) -> None:
        """Raise it in the job, if the job still runs: at its next line of Python."""
        with self._lock:
            for thread, running in self._running.items():
                if running is delivery:
                    raise_thread_exception(thread, kind)
