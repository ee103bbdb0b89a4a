"""Waiting for jobs to end: told over Redis, and looking in the database every second, for all who wait here at once.

Workers tell of what they acknowledge, and who cancels or deletes a job tells of that. What ends otherwise (the jobs of
a worker that died, those of another program's messages) and what is told while Redis is away is found by the look.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable

import redis.asyncio
import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from db import jobs
from db.database import Database
from runtime.cancelling import cancel_and_wait
from runtime.patience import AWAY, Seldom, told
from runtime.transport import ENDED

log = structlog.get_logger("callboard")

_EVERY = 1.0  # seconds between looks at all that are waited for


class Endings:
    """Belongs to one event loop. It listens only while somebody waits."""

    def __init__(self, database: Database, connection: redis.asyncio.Redis) -> None:
        self._database, self._redis = database, connection
        self._waiting: defaultdict[uuid.UUID, list[asyncio.Future[None]]] = defaultdict(list)
        self._watch: asyncio.Task[None] | None = None
        self._cannot_look = Seldom()

    async def wait(self, job_id: uuid.UUID) -> None:
        """Returns once the job has ended, or is gone."""
        over = asyncio.get_running_loop().create_future()
        self._waiting[job_id].append(over)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._run())
        try:
            await self._look([job_id])  # it may be over already
            await over
        finally:
            self._waiting[job_id].remove(over)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def close(self) -> None:
        if self._watch is not None:
            await cancel_and_wait([self._watch])

    async def _run(self) -> None:
        while self._waiting:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(ENDED)
                    await self._listen(channel)
            except (RedisError, ConnectionError):
                await self._look(list(self._waiting))
                await asyncio.sleep(_EVERY)

    async def _listen(self, channel: PubSub) -> None:
        clock = asyncio.get_running_loop().time
        next_look = clock()
        while self._waiting:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=max(0, next_look - clock()))
            if clock() >= next_look:
                await self._look(list(self._waiting))
                next_look = clock() + _EVERY
            elif message is not None:
                await self._look(self._waiting.keys() & _ids(message["data"]))

    async def _look(self, ids: Iterable[uuid.UUID]) -> None:
        """Wake those whose jobs are over. While PostgreSQL is away they wait on."""
        asked = list(ids)
        if not asked:
            return
        try:
            async with self._database.connection() as connection:
                over = [row[0] for row in await connection.fetch(jobs.OVER, asked)]
        except AWAY as error:
            if self._cannot_look():
                log.warning("the jobs that are waited for cannot be looked at now", error=told(error))
            return
        for job_id in over:
            for future in self._waiting.get(job_id, ()):
                if not future.done():
                    future.set_result(None)


def _ids(data: bytes) -> set[uuid.UUID]:
    """The jobs that are told of: "<id> <priority>:<attempt>:<id>"."""
    found = set()
    for word in data.decode(errors="replace").split():
        try:
            found.add(uuid.UUID(word.rpartition(":")[2]))
        except ValueError:  # another program's message: its job's id is not the message's, the look finds it
            continue
    return found
