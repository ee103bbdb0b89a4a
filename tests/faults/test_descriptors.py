"""A worker that may open no more files."""

import asyncio
import resource

import psutil
import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage


@pytest.mark.fault
@pytest.mark.long
async def test_out_of_descriptors(stage: Stage, record: Record) -> None:
    """Given a worker that may open no file and no connection for a while, as one does that leaks them, then it says so,
    lives on, and each job is done once."""
    await stage.scheduler()
    worker = await stage.worker()
    await stage.enqueue(1_000, act.work_async, 0.5)
    await stage.started(100)
    (process,) = psutil.Process(worker.pid).children()
    soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (10, hard))
    await asyncio.sleep(10)  # the fault's own length
    process.rlimit(resource.RLIMIT_NOFILE, (soft, hard))
    stage.strike()
    outcome = await stage.outcome("a worker may open no more files for 10 s")
    record(outcome)
    assert worker.code is None
