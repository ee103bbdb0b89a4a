"""Stock Dramatiq with its own defaults, for comparison: each run leaves a line when it starts and one when it ends."""

import asyncio
import os
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

broker = RedisBroker(url=os.environ["REDIS_URL"], namespace="stock")
broker.add_middleware(AsyncIO())


def note(what: str, job: int) -> None:
    file = os.open(Path(os.environ["FAULT_RUNS"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{what} {job} {time.time()}\n".encode())
    os.close(file)


@dramatiq.actor(broker=broker)
async def work(job: int, seconds: float) -> None:
    note("started", job)
    await asyncio.sleep(seconds)
    note("ended", job)
