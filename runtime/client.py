"""What a process that enqueues and asks needs: the database, Redis and the outbox, on one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from db.database import Database
from runtime.changes import Watcher
from runtime.endings import Endings
from runtime.outbox import Outbox
from settings import Settings


@dataclass(frozen=True)
class Client:
    """`async with Client.open(settings()) as client: ...`; one per event loop, for its whole life."""

    database: Database
    redis: redis.asyncio.Redis
    outbox: Outbox
    endings: Endings
    watcher: Watcher

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, patience: float | None = None) -> AsyncIterator["Client"]:
        """`patience` is how many seconds a statement may take (db/database.py)."""
        database = Database(settings, patience=patience)
        connection = redis.asyncio.Redis.from_url(settings.redis, socket_timeout=5, socket_connect_timeout=5)
        outbox = Outbox(database, connection, settings.dispatch_window)
        client = cls(database, connection, outbox, Endings(database, connection), Watcher(connection))
        try:
            yield client
        finally:
            await client.endings.close()
            await client.outbox.drain()
            await connection.aclose()
            await database.close()

    def session(self) -> AsyncSession:
        """A session; jobs enqueued in it are sent when it commits, and do not exist if it does not."""
        return self.outbox.session()
