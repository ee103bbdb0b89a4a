"""Which queues and actors are paused, as far as this worker knows: told at once, looked up every second."""

import asyncio
import threading

from db import pauses
from db.database import Database


class Pauses:
    """Looked up on the worker's event loop, read by its threads too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.queues: frozenset[str] = frozenset()
        self.actors: frozenset[str] = frozenset()
        self.known = asyncio.Event()  # before the first look nothing may be claimed
        self._looked = threading.Condition()

    async def look(self) -> bool:
        """Look them up. Returns whether one is paused that was not."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(pauses.PAUSED)
        queues = frozenset(row["name"] for row in rows if row["kind"] == "queue")
        actors = frozenset(row["name"] for row in rows if row["kind"] == "actor")
        is_more = bool(queues - self.queues or actors - self.actors)
        with self._looked:
            self.queues, self.actors = queues, actors
            self._looked.notify_all()
        self.known.set()
        return is_more

    def wait(self, queue: str, timeout: float) -> None:
        """Wait while the queue is paused. For threads."""
        with self._looked:
            self._looked.wait_for(lambda: queue not in self.queues, timeout)
