"""What many open pages ask for at once is read once: a value that is kept for a moment, and computed by one of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_MOST = 1_000  # values kept


class Shared(Generic[T]):
    """Belongs to one event loop."""

    def __init__(self, seconds: float) -> None:
        """How long a value is good for."""
        self._seconds = seconds
        self._values: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The value of `key`, computed unless somebody did so a moment ago or is about to. What it raises, all get."""
        now = time.monotonic()
        kept = self._values.get(key)
        if kept is None or now - kept[0] > self._seconds:
            if len(self._values) >= _MOST:
                self._forget(now)
            kept = self._values[key] = (now, asyncio.ensure_future(_call(compute)))
        return await asyncio.shield(kept[1])

    def _forget(self, now: float) -> None:
        self._values = {key: kept for key, kept in self._values.items() if now - kept[0] <= self._seconds}


async def _call(compute: Callable[[], Awaitable[Any]]) -> Any:
    return await compute()
