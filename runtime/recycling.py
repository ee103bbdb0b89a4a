"""A worker process starts anew after so many jobs, or when it has become too large: what leaks, leaks for a while."""

import asyncio
import multiprocessing
import os
import signal

import psutil
import structlog

from runtime.settlement import Settlement
from settings import Settings

log = structlog.get_logger("callboard")

_LOOK_EVERY = 1.0  # seconds
_MIB = 2**20


async def recycle(settings: Settings, settlement: Settlement) -> None:
    """Wait until it is time, then ask the main process to start its workers anew, which they do between jobs."""
    most_jobs = settings.worker_max_jobs or float("inf")
    most_memory = settings.worker_max_memory or float("inf")
    main = multiprocessing.parent_process()
    if main is None or main.pid is None:
        return
    this = psutil.Process()
    while True:
        memory = this.memory_info().rss // _MIB
        if settlement.ended >= most_jobs or memory >= most_memory:
            break
        await asyncio.sleep(_LOOK_EVERY)
    log.info("this worker starts anew when its jobs have ended", jobs_ended=settlement.ended, memory=f"{memory} MiB")
    if os.getppid() == main.pid:
        os.kill(main.pid, signal.SIGHUP)
