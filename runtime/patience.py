"""Waiting for a server that is away: retry with backoff and jitter, log now and then, give up never."""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.exceptions
import structlog

from db.database import UNAVAILABLE
from runtime.cancelling import is_cancelled

log = structlog.get_logger("callboard")
T = TypeVar("T")

AWAY = (*UNAVAILABLE, redis.exceptions.RedisError)
_LOG_EVERY = 60.0  # seconds
_LONGEST = 5.0


class Seldom:
    """Lets one of many through each minute: what fails a hundred times a second is said once. Thread-safe."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        with self._lock:
            now = time.monotonic()
            passes = now - self._last >= _LOG_EVERY
            if passes:
                self._last = now
            return passes


class Patience:
    """How long to wait after one more failure, and whether to say so: backoff with jitter, a line a minute.

    Those who share a `seldom` share the line.
    """

    def __init__(self, doing: str, seldom: Seldom | None = None) -> None:
        self._doing = doing
        self._seldom = seldom or Seldom()
        self.succeeded()

    def succeeded(self) -> None:
        self._delay = 0.05

    def failed(self, error: BaseException) -> float:
        """Note a failure. Returns the seconds to wait."""
        if self._seldom():
            log.warning("a server is away, trying again until it is back", doing=self._doing, error=told(error))
        self._delay = min(self._delay * 2, _LONGEST)
        return self._delay * random.uniform(0.25, 0.75)  # noqa: S311 (jitter, not a secret)


def told(error: BaseException) -> str:
    """An error in a log line: redis-py's and some of asyncpg's say nothing in their repr()."""
    return f"{type(error).__name__}: {error}"


async def patiently(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it does not fail for want of a server; other errors pass.

    Only for what may safely be done twice: guarded statements and idempotent scripts.
    """
    patience = Patience(what)
    while True:
        try:
            return await attempt()
        except AWAY as error:
            if is_cancelled():
                raise asyncio.CancelledError from error
            if isinstance(error, ValueError):  # asyncpg's word for a parameter that cannot be sent: that stays so
                raise
            await asyncio.sleep(patience.failed(error))
