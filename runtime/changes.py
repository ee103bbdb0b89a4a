"""Tells whoever watches that something of these jobs has changed: over Redis, and only while somebody listens.

It is a hint and nothing more: what changed is in the database, and a watcher looks there now and then anyway.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable

import redis.asyncio
from redis.exceptions import RedisError

from runtime.cancelling import cancel_and_wait
from runtime.pulse import Pulse
from runtime.transport import CHANGED, CONTROL

ANY = "jobs"  # the topic of all jobs
_EVERY = 0.05  # seconds between two messages of a process
_AGAIN = 1.0  # seconds until Redis is tried again


class Changes:
    """The side that tells. Made on the worker's event loop, and used there."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._ids: set[uuid.UUID] = set()
        self._has_listeners = False
        self.pulse = Pulse(self._publish, _EVERY)

    def tell(self, jobs: Iterable[uuid.UUID]) -> None:
        if self._has_listeners:
            self._ids.update(jobs)
            self.pulse.ask()

    async def look(self) -> None:
        """See whether somebody listens: once a second, and when a watcher says on CONTROL that it does."""
        with contextlib.suppress(RedisError, OSError):
            self._has_listeners = any(count for _, count in await self._redis.pubsub_numsub(CHANGED))

    async def _publish(self) -> None:
        ids, self._ids = self._ids, set()
        await publish(self._redis, ids)


async def publish(connection: redis.asyncio.Redis, jobs: Iterable[uuid.UUID]) -> None:
    """Tell of jobs that the caller has changed; while Redis is away watchers find it out by themselves."""
    topics = [topic(job) for job in jobs]
    if topics:
        with contextlib.suppress(RedisError, OSError):
            await connection.publish(CHANGED, ",".join([ANY, *topics]))


def topic(job: uuid.UUID) -> str:
    return f"job:{job}"


class Watch:
    """What one watcher hears."""

    def __init__(self, jobs: Iterable[uuid.UUID]) -> None:
        self._topics = frozenset(map(topic, jobs)) or {ANY}
        self._event = asyncio.Event()

    def hear(self, topics: list[str]) -> None:
        if not self._topics.isdisjoint(topics):
            self._event.set()

    def wake(self) -> None:
        self._event.set()

    async def changed(self, within: float = 1.0) -> bool:
        """Wait until one of its jobs has changed, at most so many seconds. Returns whether one has."""
        try:
            async with asyncio.timeout(within):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Watcher:
    """The side that listens: one subscription, shared by all that watch in a process, held while one does."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._watches: set[Watch] = set()
        self._listening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watch(self, *jobs: uuid.UUID) -> AsyncIterator[Watch]:
        """`async with watcher.watch(job_id) as watch`: look, then `await watch.changed()`, and look again. Without ids
        it hears of every job."""
        watch = Watch(jobs)
        self._watches.add(watch)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            if not self._watches and self._listening is not None:
                listening, self._listening = self._listening, None
                await cancel_and_wait([listening])

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANGED)
                    await self._redis.publish(CONTROL, "watched")
                    for watch in self._watches:  # what changed while nobody told
                        watch.wake()
                    async for message in channel.listen():
                        if message["type"] == "message":
                            topics = message["data"].decode().split(",")
                            for watch in self._watches:
                                watch.hear(topics)
            await asyncio.sleep(_AGAIN)
