"""Tells open pages that something has changed: one reader of Redis a process, however many pages listen.

What is told are topics ("jobs", "queues", "schedules"), not rows: a page that is told asks for what it shows. At most
one message a second goes to a page. Every few seconds it is told without reason: what nobody announced is seen then.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from runtime.transport import CHANGED

log = structlog.get_logger("callboard")

_LEAST = 1.0  # seconds between two messages to a page
_MOST = 5.0  # seconds after which a page looks by itself
MOST_LISTENERS = 500


class Listener:
    """One open page."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()

    async def changes(self) -> AsyncIterator[None]:
        """One item for each time that the page should look again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MOST):
                    await self._changed.wait()
            self._changed.clear()
            yield
            await asyncio.sleep(_LEAST)


class Live:
    """Lives on the web process's event loop; `run` it for the life of the application."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._listeners: set[Listener] = set()
        self._anybody = asyncio.Event()

    @contextlib.contextmanager
    def listening(self, topics: frozenset[str]) -> Iterator[Listener]:
        listener = Listener(topics)
        self._listeners.add(listener)
        self._anybody.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def is_full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    def tell(self, topics: str) -> None:
        """Somebody says that these (separated by commas) have changed."""
        changed = frozenset(topics.split(","))
        for listener in self._listeners:
            if listener.topics & changed:
                listener.tell()

    async def run(self) -> None:
        """Listen while anybody is there to be told. While Redis is away the pages look by themselves."""
        while True:
            await self._anybody.wait()
            with contextlib.suppress(RedisError, ConnectionError):
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANGED)
                    while self._listeners:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=_MOST)
                        if message:
                            self.tell(message["data"].decode())
            if not self._listeners:
                self._anybody.clear()
            else:
                await asyncio.sleep(_LEAST)
