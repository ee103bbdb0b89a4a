"""A worker process's lease: it is believed to live as long as it is heard of.

Two send the heartbeat: the process itself, and a companion beside it that goes on while an actor holds the GIL in C,
and that stops as soon as the process is gone or stopped. Either suffices. A process whose row is gone was given up: its
jobs may run elsewhere. It drops what it runs, whose writes would be refused, and starts anew under another id.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from types import FrameType

import psutil
import structlog
import uvloop

from db import workers
from db.database import Database
from runtime import logs
from runtime.ids import uuid7
from runtime.patience import AWAY, patiently, told
from settings import Settings, settings

log = structlog.get_logger("callboard")

BEATS = 5  # heartbeats in a lease


class WorkerLease:
    """The process's own half. Lives on the worker's event loop."""

    def __init__(self, database: Database, settings: Settings, queues: list[str], threads: int) -> None:
        self._database, self._settings, self._queues, self._threads = database, settings, queues, threads
        self.worker = uuid7()
        self.registered = asyncio.Event()  # without a row it cannot claim

    async def register(self) -> None:
        """Get a row, which claiming needs."""
        async with self._database.connection() as connection:
            await connection.execute(
                workers.REGISTER, self.worker, socket.gethostname(), os.getpid(), family(os.getppid()), self._queues,
                self._settings.async_concurrency, self._threads, version("callboard"),
            )  # fmt: skip

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
        async with self._database.connection() as connection:
            return bool(await connection.fetch(workers.HEARTBEAT, [self.worker]))


def family(main_pid: int) -> str:
    """A name for a main process that no other has, on this host or another, now or later."""
    return f"{socket.gethostname()}:{main_pid}:{psutil.Process(main_pid).create_time()}"


def accompany() -> int:
    """The companion's whole life, in a process that Dramatiq forks beside its workers. Returns its exit code."""
    logs.configure(settings())
    stopping = asyncio.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)  # the workers may have a grace period before them
    main = multiprocessing.parent_process()
    assert main is not None
    assert main.pid is not None
    if os.getppid() == main.pid:  # else it was killed before we got here
        uvloop.run(_accompany(settings(), main.pid, stopping))
    return 0


async def _accompany(settings: Settings, main_pid: int, stopping: asyncio.Event) -> None:
    database = Database(settings, pool=1)
    name = family(main_pid)
    alive: list[int] = []
    while os.getppid() == main_pid and not (stopping.is_set() and not alive):
        try:
            async with asyncio.timeout(settings.worker_lease / BEATS), database.connection() as connection:
                rows = [row for row in await connection.fetch(workers.FAMILY, name) if is_alive(row["pid"])]
                alive = [row["pid"] for row in rows]
                if rows:
                    await connection.fetch(workers.HEARTBEAT, [row["id"] for row in rows])
        except (*AWAY, TimeoutError) as error:
            alive = [pid for pid in alive if is_alive(pid)]
            log.debug("no heartbeat was sent for the workers", error=told(error))
        await asyncio.sleep(min(1.0, settings.worker_lease / BEATS))
    await database.close()


def is_alive(pid: int) -> bool:
    """Whether the process runs: it is there, no zombie, and not stopped."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
