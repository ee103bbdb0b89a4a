"""The same faults on stock Dramatiq with its defaults, for comparison. Nothing is required of it."""

import asyncio
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Record
from tests.faults.report import STOCK, Outcome
from tests.faults.stage import Stage
from tests.support.process import Process
from tests.support.waiting import wait_for

WORKER = ("dramatiq", "tests.faults.stock_actors", "--processes", "1", "--threads", "8")
SEND = """
import sys
from tests.faults.stock_actors import work

for number in range(int(sys.argv[1])):
    work.send(number, float(sys.argv[2]))
"""
PATIENCE = 120  # seconds that it gets to do what was interrupted


class Stock:
    """Its workers, and what they have written."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._file = Path(stage.environment["FAULT_RUNS"])
        self._struck_at = 0.0

    async def worker(self) -> Process:
        process = self._stage.launch(*WORKER)
        await process.says("Worker process is ready for action")
        return process

    async def send(self, number: int, seconds: float) -> None:
        assert await self._stage.launch(sys.executable, "-c", SEND, str(number), str(seconds)).ended() == 0

    def jobs(self, what: str) -> Counter[str]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return Counter(job for said, job, _ in map(str.split, lines) if said == what)

    async def started(self, number: int) -> None:
        await wait_for(lambda: self.jobs("started").total() >= number, 60, f"{number} starts")

    def strike(self) -> None:
        self._struck_at = time.monotonic()

    async def outcome(self, fault: str, number: int) -> Outcome:
        """Wait for the end of all jobs, but not for ever."""
        while len(self.jobs("ended")) < number and time.monotonic() - self._struck_at < PATIENCE:
            await asyncio.sleep(0.1)
        ended, started = self.jobs("ended"), self.jobs("started")
        return Outcome(
            fault=f"{STOCK}{fault}",
            jobs=number,
            lost=number - len(ended),
            doubled=ended.total() - len(ended),
            more_runs=started.total() - len(started),
            seconds=time.monotonic() - self._struck_at,  # PATIENCE: it was not over then
        )


@pytest.fixture
def stock(stage: Stage) -> Stock:
    return Stock(stage)


@pytest.mark.long
async def test_killed(stock: Stock, compare: Record) -> None:
    """Given 64 jobs, 16 of them in the hands of two workers, when one is killed."""
    await stock.send(64, 3)
    workers = [await stock.worker() for _ in range(2)]
    await stock.started(16)
    workers[0].kill()
    stock.strike()
    compare(await stock.outcome("kill -9 of one of two workers, 16 jobs in flight", 64))


@pytest.mark.long
async def test_flushed(stock: Stock, stage: Stage, compare: Record) -> None:
    """Given 2,000 queued messages, when Redis is flushed while they are worked on."""
    await stock.send(2_000, 0.01)
    await stock.worker()
    await stock.started(100)
    await stage.redis.flushall()
    stock.strike()
    compare(await stock.outcome("FLUSHALL with 2,000 queued", 2_000))


@pytest.mark.long
async def test_group_sigterm(stock: Stock, compare: Record) -> None:
    """Given 8 jobs of 10 s, when SIGTERM goes to the worker's process group, and another worker is started."""
    worker = await stock.worker()
    await stock.send(8, 10)
    await stock.started(8)
    stock.strike()
    worker.send_signal(signal.SIGTERM, to_group=True)
    await worker.ended()
    await stock.worker()
    compare(await stock.outcome("SIGTERM to the group, 8 jobs in flight", 8))
