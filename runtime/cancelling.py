"""Ending tasks that may not hear of it the first time.

Python 3.11's `asyncio.wait_for` loses a cancellation that comes in the very moment in which what it waits for is done
(python/cpython#86296; 3.12 does not). redis-py sends each command within one, so of a hundred tasks that talk to Redis
one or two go on. Whoever needs a task to end must be ready to say it again.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any

_AGAIN = 1.0  # seconds


async def cancel_and_wait(
    tasks: Collection[asyncio.Task[Any]], why: str | None = None, within: float = float("inf")
) -> set[asyncio.Task[Any]]:
    """Returns when all of them have ended, or after so many seconds those that have not; the one who waits has their
    errors, if he wants them."""
    pending = set(tasks)
    until = time.monotonic() + within
    while pending and (left := until - time.monotonic()) > 0:
        for task in pending:
            task.cancel(why)
        _, pending = await asyncio.wait(pending, timeout=min(_AGAIN, left))
    return pending


def is_cancelled() -> bool:
    """Whether this task was asked to end: drivers answer a cancellation with an error of their own now and then, or
    with none."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
