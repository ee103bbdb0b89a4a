"""Stock Dramatiq with its own defaults, for comparison: each run leaves a line when it starts and one when it ends."""

import os
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["REDIS_URL"], namespace="stock")
dramatiq.set_broker(broker)


def note(what: str, job: int) -> None:
    file = os.open(Path(os.environ["FAULT_RUNS"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{what} {job} {time.time()}\n".encode())
    os.close(file)


@dramatiq.actor
def work(job: int, seconds: float) -> None:
    note("started", job)
    time.sleep(seconds)
    note("ended", job)
