"""What people want of this worker, asked for in the database: told of it at once, and asking by itself every second."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import redis.asyncio
from redis.exceptions import RedisError

from runtime.patience import patiently
from runtime.transport import CONTROL

_EVERY = 1.0  # seconds


class Control:
    """Lives on the worker's event loop. `looks` are asked to look in the database, one after the other."""

    def __init__(self, connection: redis.asyncio.Redis, looks: list[Callable[[], Awaitable[None]]]) -> None:
        self._redis, self._looks = connection, looks
        self._told = asyncio.Event()

    async def run(self) -> None:
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY):
                        await self._told.wait()
                self._told.clear()
                for look in self._looks:
                    await patiently("looking for what is wanted of this worker", look)
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        """Whoever asks something of a worker says so on the channel; while Redis is away the look every second does."""
        while True:
            with contextlib.suppress(RedisError, ConnectionError):
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CONTROL)
                    self._told.set()  # what was said while nobody listened
                    async for _ in channel.listen():
                        self._told.set()
            await asyncio.sleep(_EVERY)
