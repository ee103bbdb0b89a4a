"""Waiting for a server that is away: retry with backoff and jitter, log now and then, give up never."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.exceptions
import structlog

from db.database import UNAVAILABLE

log = structlog.get_logger("callboard")
T = TypeVar("T")

AWAY = (*UNAVAILABLE, redis.exceptions.RedisError)
_LOG_EVERY = 60.0  # seconds
_LONGEST = 5.0


class Patience:
    """How long to wait after one more failure, and whether to say so: backoff with jitter, a line a minute."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._logged = float("-inf")
        self.succeeded()

    def succeeded(self) -> None:
        self._delay = 0.05

    def failed(self, error: BaseException) -> float:
        """Note a failure. Returns the seconds to wait."""
        if time.monotonic() - self._logged >= _LOG_EVERY:
            self._logged = time.monotonic()
            log.warning("a server is away, trying again until it is back", doing=self._doing, error=repr(error))
        self._delay = min(self._delay * 2, _LONGEST)
        return self._delay * random.uniform(0.25, 0.75)  # noqa: S311 (jitter, not a secret)


async def patiently(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it does not fail for want of a server; other errors pass.

    Only for what may safely be done twice: guarded statements and idempotent scripts.
    """
    patience = Patience(what)
    while True:
        try:
            return await attempt()
        except AWAY as error:
            if isinstance(error, ValueError):  # asyncpg's word for a parameter that cannot be sent: that stays so
                raise
            await asyncio.sleep(patience.failed(error))
