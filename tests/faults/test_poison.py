"""A job that kills whoever runs it ends as failed, and takes nobody along."""

import asyncio

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import WORKER, Stage


@pytest.mark.fault
async def test_an_actor_that_kills_its_process(stage: Stage, record: Record) -> None:
    """Given a job with two retries that kills its worker, and others beside it, then it fails after three runs, and
    the others succeed."""
    await stage.scheduler()
    (poison,) = await stage.enqueue(1, act.poison)
    await stage.enqueue(200, act.work_async, 0.2)
    stage.strike()
    keeper = asyncio.create_task(stage.keep(2, *WORKER))
    await stage.until("select count(*) = 0 from jobs where outcome is null", timeout=150)
    keeper.cancel()
    runs = [start for start in stage.starts() if start.job == poison]
    ended = (await stage.rows("select state, attempt, error ->> 'type' from jobs where id = $1", poison))[0]
    stage.ids.remove(poison)
    outcome = await stage.outcome("an actor that kills its process, max_retries=2")
    record(outcome, **{"runs of it": len(runs)})
    assert tuple(ended) == ("failed", 3, "WorkerDied")
    assert len(runs) == 3
