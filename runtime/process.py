"""How a worker process lives and dies: with its parent, on SIGTERM after a grace, on SIGHUP between jobs."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with(parent: int, number: signal.Signals) -> None:
    """Ask Linux for a signal when our parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), number)


class Stop:
    """The first SIGTERM or SIGHUP stops the process, and `at_once` is called then: Dramatiq looks a second later.

    After SIGHUP, with which the main process starts anew, jobs may take the time they need, until a SIGTERM comes.
    Of several SIGTERM the first one counts. Dramatiq's worker takes a second signal as "now", and one to the whole
    process group (Heroku, honcho, systemd) arrives twice: directly, and passed on by the main process. Whoever means
    "now" sends SIGKILL.
    """

    def __init__(self, at_once: Callable[[], None]) -> None:
        self._at_once = at_once
        self._pass_on = signal.getsignal(signal.SIGTERM)
        self._is_stopping = False
        self.has_time = False  # jobs may take the time they need
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGHUP, self._receive)
        parent = multiprocessing.parent_process()
        if parent is not None and parent.pid is not None:  # without its main process a worker would live on unseen
            die_with(parent.pid, signal.SIGTERM)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.has_time = number == signal.SIGHUP and (self.has_time or not self._is_stopping)
        if not self._is_stopping and callable(self._pass_on):
            self._is_stopping = True
            self._at_once()
            self._pass_on(number, frame)
