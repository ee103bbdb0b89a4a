"""Tells open pages that something has changed: one reader of Redis a process, however many pages listen.

What is told are topics ("jobs", "queues", "schedules"), not rows: a page that is told asks for what it shows. Pages are
told in beats, at most one a second and the same for all, so that those that show the same ask at the same time, and are
answered by one look into the database (web/refreshes.py). Every few seconds a page is told without reason: what nobody
announced is seen then. Before each beat the sessions of all open pages are looked at together.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from db.database import UNAVAILABLE
from runtime.transport import CHANGED
from web.present import Present

log = structlog.get_logger("callboard")

_LEAST = 1.0  # seconds between two beats
_MOST = 5.0  # seconds after which a page looks by itself
MOST_LISTENERS = 500


class Listener:
    """One open page; `session` is the token of the session that it was opened in."""

    def __init__(self, topics: frozenset[str], session: str | None) -> None:
        self.topics, self.session = topics, session
        self.told_at = time.monotonic()
        self._changed = asyncio.Event()
        self._is_over = False

    def tell(self) -> None:
        self.told_at = time.monotonic()
        self._changed.set()

    def end(self) -> None:
        """It is told for the last time: its session is over, which it finds out when it asks."""
        self._is_over = True
        self.tell()

    async def changes(self) -> AsyncIterator[None]:
        """One item for each time that the page should look again."""
        while not self._is_over:
            await self._changed.wait()
            self._changed.clear()
            yield


class Live:
    """Lives on the web process's event loop; `run` it for the life of the application."""

    def __init__(self, connection: redis.asyncio.Redis, present: Present) -> None:
        self.present = present
        self.beat = 0  # the number of the latest one: what was read before it is old
        self._redis = connection
        self._listeners: set[Listener] = set()
        self._anybody = asyncio.Event()
        self._topics: set[str] = set()  # of which something has changed since the last beat
        self._something = asyncio.Event()

    @contextlib.contextmanager
    def listening(self, topics: frozenset[str], session: str | None = None) -> Iterator[Listener]:
        listener = Listener(topics, session)
        self._listeners.add(listener)
        self._anybody.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._anybody.clear()

    @property
    def is_full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    def tell(self, topics: str) -> None:
        """Somebody says that these (separated by commas) have changed."""
        self._topics.update(topics.split(","))
        self._something.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._beats())

    async def _listen(self) -> None:
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
            await asyncio.sleep(_LEAST)

    async def _beats(self) -> None:
        while True:
            await self._anybody.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MOST):
                    await self._something.wait()
            await self._look_who_is_there()
            self._beat()
            await asyncio.sleep(_LEAST)

    async def _look_who_is_there(self) -> None:
        sessions = {listener.session for listener in self._listeners if listener.session is not None}
        try:
            async with asyncio.timeout(_MOST):
                await self.present.look(sessions)
        except UNAVAILABLE as error:  # who asks now is looked up alone, and told that the database is away
            log.warning("the sessions of open pages could not be looked at", error=repr(error))
            return
        for listener in self._listeners:
            if listener.session in sessions and self.present.caller(listener.session) is None:
                listener.end()

    def _beat(self) -> None:
        self.beat += 1
        topics, self._topics = self._topics, set()
        self._something.clear()
        by_itself = time.monotonic() - _MOST
        for listener in self._listeners:
            if listener.topics & topics or listener.told_at <= by_itself:
                listener.tell()
