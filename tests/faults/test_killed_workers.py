"""Workers that die: their jobs run again, once each, and soon."""

import asyncio

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage

RESTARTED_WITHIN = 20  # seconds after the death: 15 s of lease, and then the rescue


@pytest.mark.fault
async def test_one_of_two_workers(stage: Stage, record: Record) -> None:
    """Given 200 jobs in the hands of two workers, when one is killed, then its jobs start again within 20 s."""
    workers = [await stage.worker(ASYNC_CONCURRENCY="96") for _ in range(2)]
    await stage.scheduler()
    await stage.enqueue(192, act.work_async, 8)
    await stage.enqueue(8, act.work_sync, 8)
    await stage.started(200)
    stage.strike()
    workers[0].kill()
    outcome = await stage.outcome(
        "kill -9 of one of two workers, 200 jobs in flight, 96 async slots each", restarts=True
    )
    record(outcome)
    assert outcome.more_runs == 100
    assert outcome.restarted is not None
    assert outcome.restarted <= RESTARTED_WITHIN


async def test_one_of_two_workers_with_a_short_lease(stage: Stage, record: Record) -> None:
    """The same, small enough for every run of the whole suite."""
    await stage.scheduler(WORKER_LEASE="3")
    workers = [await stage.worker(ASYNC_CONCURRENCY="10", WORKER_LEASE="3") for _ in range(2)]
    await stage.enqueue(20, act.work_async, 3)
    await stage.started(20)
    stage.strike()
    workers[0].kill()
    outcome = await stage.outcome("kill -9 of one of two workers, a lease of 3 s, 10 async slots each", restarts=True)
    record(outcome)
    assert outcome.more_runs == 10


@pytest.mark.fault
async def test_all_workers_five_times(stage: Stage, record: Record) -> None:
    """Given jobs that run, when all workers are killed five times, a second apart, then each is done once."""
    await stage.scheduler()
    workers = [await stage.worker() for _ in range(2)]
    await stage.enqueue(390, act.work_async, 2)
    await stage.enqueue(10, act.work_sync, 2)
    await stage.started(200)
    for _ in range(5):
        stage.strike()
        for worker in workers:
            worker.kill()
        workers = [await stage.worker() for _ in range(2)]
        await asyncio.sleep(1)
    outcome = await stage.outcome("kill -9 of all workers, five times, 1 s apart", restarts=True)
    record(outcome)
    assert outcome.restarted is not None
    assert outcome.restarted <= RESTARTED_WITHIN
