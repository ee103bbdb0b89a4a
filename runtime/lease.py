"""A worker process's lease: it is believed to live as long as it is heard of.

Two send the heartbeat: the process itself, and its companion. Either suffices. A process whose row is gone was given
up: its jobs may run elsewhere. It drops what it runs, whose writes would be refused, and starts anew under another id.
"""

import asyncio
import os
import platform
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import metadata

import psutil
import structlog

from db import workers
from db.database import Database
from runtime.ids import uuid7
from runtime.patience import patiently
from runtime.usage import Usage
from runtime.version import VERSION
from settings import Settings

log = structlog.get_logger("callboard")

BEATS = 5  # heartbeats in a lease


class WorkerLease:
    """The process's own half. Lives on the worker's event loop."""

    def __init__(self, database: Database, settings: Settings, queues: list[str], threads: int) -> None:
        self._database, self._settings, self._queues, self._threads = database, settings, queues, threads
        self.worker = uuid7()
        self.registered = asyncio.Event()  # without a row it cannot claim
        self.other_server = asyncio.Event()  # PostgreSQL has started anew, or another one has taken over
        self._server: datetime | None = None  # when it was started
        self._usage = Usage(os.getpid())

    async def register(self) -> None:
        """Get a row, which claiming needs."""
        async with self._database.connection() as connection:
            server = await connection.fetchval(
                workers.REGISTER, self.worker, socket.gethostname(), os.getpid(), process_name(os.getpid()),
                self._queues, self._settings.async_concurrency, self._threads, self._settings.release or VERSION,
                platform.python_version(), metadata.version("dramatiq"),
            )  # fmt: skip
        self._meet(server)

    async def unregister(self) -> None:
        async with self._database.connection() as connection:
            await connection.execute(workers.UNREGISTER, self.worker)

    async def keep(self, given_up: Callable[[], Awaitable[None]]) -> None:
        """Register, then send heartbeats for ever. When the row is gone, call `given_up` and register anew."""
        await patiently("registering the worker", self.register)
        self.registered.set()
        while True:
            await asyncio.sleep(self._settings.worker_lease / BEATS)
            if not await patiently("sending the heartbeat", self._beat):
                log.error(
                    "this worker was thought dead; it drops what it runs and starts anew", worker=str(self.worker)
                )
                self.registered.clear()
                await given_up()
                self.worker = uuid7()
                await patiently("registering the worker", self.register)
                self.registered.set()

    async def _beat(self) -> bool:
        """Whether the process still has its row."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(workers.HEARTBEAT, [self.worker], *self._usage.since_last())
        if row is not None:
            self._meet(row["server"])
        return row is not None

    def _meet(self, server: datetime) -> None:
        if self._server not in (None, server):
            self.other_server.set()
        self._server = server


def process_name(pid: int) -> str:
    """A name for a process that no other has, on this host or another, now or later."""
    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time()}"
