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
_LOG_EVERY = 60.0


async def patiently(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it does not fail for want of a server; other errors pass.

    Only for what may safely be done twice: guarded statements and idempotent scripts.
    """
    delay, logged = 0.05, float("-inf")
    while True:
        try:
            return await attempt()
        except AWAY as error:
            if is_cancelled():
                raise asyncio.CancelledError from error
            if isinstance(error, ValueError):  # asyncpg's word for a parameter that cannot be sent: that stays so
                raise
            if time.monotonic() - logged >= _LOG_EVERY:
                logged = time.monotonic()
                log.warning("a server is away, trying again until it is back", doing=what, error=repr(error))
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 (jitter, not a secret)
            delay = min(delay * 2, 5.0)


def is_cancelled() -> bool:
    """Whether this task was asked to end: drivers answer a cancellation with an error of their own now and then."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
