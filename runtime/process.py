"""How a worker process lives and dies: with its parent, and on the first SIGTERM only."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import structlog

log = structlog.get_logger("callboard")

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Ask Linux for a SIGTERM when Dramatiq's main process is gone: without it, workers would live on unseen."""
    parent = multiprocessing.parent_process()
    if sys.platform != "linux" or parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent.pid:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def stop_once(at_once: Callable[[], None]) -> None:
    """Let only the first SIGTERM count, and call `at_once` then: Dramatiq looks a second later.

    Dramatiq's worker takes a second one as "now", and a signal to the whole process group (Heroku, honcho, systemd)
    arrives twice: directly, and passed on by the main process. Whoever means "now" sends SIGKILL.
    """
    stop = signal.getsignal(signal.SIGTERM)
    stopping = False

    def first_only(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping and callable(stop):
            stopping = True
            at_once()
            stop(number, frame)

    signal.signal(signal.SIGTERM, first_only)
