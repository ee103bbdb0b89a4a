"""The work of the benchmarks: the same functions for both systems, and the record of what ran."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq import Broker, Middleware, Worker

FOLDER = Path(os.environ.get("BENCHMARK_FOLDER", "."))
RAN, FIRST, LATENCIES = "ran.json", "first", "latencies"  # the files that the worker leaves in the folder
CANCELS = "cancels"  # and one that who enqueues leaves there
STOCK_NAMESPACE = "stock"  # its keys in Redis, beside Callboard's
QUEUES = {
    "noop": "bench_async",
    "wait": "bench_async",
    "latency": "bench_async",
    "sync_noop": "bench_sync",
} | dict.fromkeys(("silent", "telling", "logging", "keeping", "doze"), "bench_async")

_ran: list[int] = []


def note(number: int) -> None:
    """What each job of a drain does besides its work; some 50 ns, the first one some 100 µs."""
    if number == 0:
        (FOLDER / FIRST).write_text(str(time.time()))
    _ran.append(number)


async def noop(number: int) -> None:
    note(number)


async def wait(number: int) -> None:
    note(number)
    await asyncio.sleep(0.05)


def sync_noop(number: int) -> None:
    note(number)


async def latency(enqueued_at: float) -> None:
    """Note the seconds since just before the call that enqueued this job."""
    late = time.time() - enqueued_at
    with (FOLDER / LATENCIES).open("a") as file:
        file.write(f"{late}\n")


class Record(Middleware):
    """Leaves behind which jobs ran, for the count of those that ran twice or never."""

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        (FOLDER / RAN).write_text(json.dumps(_ran))


def declare(broker: Broker) -> dict[str, dramatiq.Actor[Any, Any]]:
    """The functions as actors of this broker, by name."""
    broker.add_middleware(Record())
    return {
        function.__name__: dramatiq.actor(broker=broker, queue_name=QUEUES[function.__name__])(function)
        for function in (noop, wait, sync_noop, latency)
    }
