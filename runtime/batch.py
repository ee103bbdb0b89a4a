"""Natural batching: while one flush is on its way the next items gather. No timer: an idle system waits for nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")


class Batch(Generic[T]):
    """Collects items and flushes them together, in order. Belongs to one event loop.

    `flush` must not raise: what it cannot do now it tries again itself, and the batch grows meanwhile.
    """

    def __init__(self, flush: Callable[[list[T]], Awaitable[None]], most: int = 500, pause: float = 0) -> None:
        self._flush, self._most = flush, most
        self._pause = pause  # seconds to gather after a flush: the first item of many never waits, the others share
        self._waiting: list[T] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, *items: T) -> None:
        self._waiting.extend(items)
        if self._task is None and self._waiting:
            # In a context of its own: it serves many jobs, and what it logs is not the log of the one that woke it.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def drain(self) -> None:
        """Wait until everything added so far has been flushed."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # whatever else this turn of the loop adds joins the first batch
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._flush(batch)
                if self._pause:
                    await asyncio.sleep(self._pause)
        finally:
            self._task = None
