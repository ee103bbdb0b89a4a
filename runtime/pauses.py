"""Which queues and actors are paused, and whether this worker is, as far as it knows: told at once, looked up every
second."""

import asyncio
import threading

from db import pauses
from db.database import Database


class Pauses:
    """Looked up on the worker's event loop, read by its threads too."""

    def __init__(self, database: Database, process: str) -> None:
        self._database, self._process = database, process
        self.drains = False  # this worker takes nothing more, whatever its queue
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
        drains = any(row["kind"] == "worker" and row["name"] == self._process for row in rows)
        is_more = bool(queues - self.queues or actors - self.actors or (drains and not self.drains))
        with self._looked:
            self.queues, self.actors, self.drains = queues, actors, drains
            self._looked.notify_all()
        self.known.set()
        return is_more

    def rests(self, queue: str) -> bool:
        """Whether this worker is to start nothing from a queue."""
        return self.drains or queue in self.queues

    def wait(self, queue: str, timeout: float) -> None:
        """Wait while nothing is to be started from the queue. For threads."""
        with self._looked:
            self._looked.wait_for(lambda: not self.rests(queue), timeout)
