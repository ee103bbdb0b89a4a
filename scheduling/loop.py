"""The loop around a service: it only waits, logs and survives."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import DBAPIError

from db.database import cause
from runtime.cancelling import is_cancelled
from runtime.patience import AWAY, Seldom, told

log = structlog.get_logger("callboard")

_AFTER_ERROR = 1.0


async def keep_running(name: str, run_once: Callable[[], Awaitable[float]], wake: asyncio.Event) -> None:
    """Call `run_once` for ever, after as many seconds as it says or once `wake` is set, whatever it raises."""
    seldom = Seldom()
    while True:
        wake.clear()
        try:
            wait = await run_once()
        except Exception as raised:
            if is_cancelled():
                raise asyncio.CancelledError from raised
            error = cause(raised) if isinstance(raised, DBAPIError) else raised
            wait = _AFTER_ERROR * random.uniform(0.5, 1.5)  # noqa: S311 (jitter, not a secret)
            if not seldom():
                pass
            elif isinstance(error, AWAY):
                log.warning("a server is away, trying again each second", service=name, error=told(error))
            else:
                log.exception("a round failed, trying again each second", service=name)
        if is_cancelled():  # and the round went on to its end all the same
            raise asyncio.CancelledError
        try:
            async with asyncio.timeout(wait):
                await wake.wait()
        except TimeoutError:
            continue
