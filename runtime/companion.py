"""A worker process's companion: sends its heartbeat while an actor holds the GIL in C.

It is a fork of the worker process, made before that has any thread. It stops as soon as the worker is gone or stopped
(SIGSTOP), and by nothing else: a signal to the whole process group must not silence a worker that has its grace.
"""

import asyncio
import os
import signal

import dramatiq
import psutil
import structlog
import uvloop
from dramatiq import Middleware

from db import workers
from db.database import Database
from runtime.lease import BEATS, process_name
from runtime.patience import AWAY, told
from runtime.process import die_with
from runtime.usage import Usage
from settings import Settings

log = structlog.get_logger("callboard")


class Companion(Middleware):
    """Must be the last in the list: after-hooks run in reverse, and others may start threads, which a fork loses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = 0

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        worker = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            _live(self._settings, worker)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """What is still to be done, writing the last endings, leaves the worker's own heartbeat room."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _live(settings: Settings, worker: int) -> None:
    """The companion's whole life. Does not return."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        die_with(worker, signal.SIGKILL)
        uvloop.run(_accompany(settings, worker))
    except Exception:
        log.exception("the worker's companion failed; the worker sends its heartbeat alone")
    finally:
        os._exit(0)


async def _accompany(settings: Settings, worker: int) -> None:
    name = process_name(worker)
    database, usage = Database(settings, pool=1), Usage(worker)
    while os.getppid() == worker:
        await asyncio.sleep(min(1.0, settings.worker_lease / BEATS))
        if is_alive(worker):
            try:
                async with asyncio.timeout(settings.worker_lease / BEATS), database.connection() as connection:
                    await connection.execute(workers.HEARTBEAT_OF_PROCESS, name, *usage.since_last())
            except (*AWAY, TimeoutError, psutil.NoSuchProcess) as error:
                log.debug("no heartbeat was sent for the worker", error=told(error))


def is_alive(pid: int) -> bool:
    """Whether the process runs: it is there, no zombie, and not stopped."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
