"""A worker that looks dead and is not, and one that looks alive and is busy."""

import os
import signal

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage
from tests.support.waiting import wait_for


@pytest.mark.fault
async def test_stopped_past_its_lease(stage: Stage, record: Record) -> None:
    """Given a worker that was stopped past its lease, when it goes on, then whatever it still writes is refused."""
    zombie = await stage.worker()
    await stage.scheduler()
    await stage.enqueue(190, act.work_async, 4)
    await stage.enqueue(4, act.work_sync, 4)
    started = await stage.started(194)
    stage.strike()
    os.kill(started[0].pid, signal.SIGSTOP)
    await stage.worker()
    await stage.all_ended()
    os.kill(started[0].pid, signal.SIGCONT)
    await zombie.says("this worker was thought dead")
    await wait_for(lambda: stage.refused() >= 194, what="all stale runs to be refused")
    await stage.enqueue(100, act.work_async, 0)  # it works on, under another id
    outcome = await stage.outcome("SIGSTOP of a worker past its lease, then SIGCONT")
    record(outcome, **{"stale runs refused": stage.refused()})
    assert outcome.more_runs == 194
    assert await stage.count("select count(*) from workers") == 2


@pytest.mark.fault
async def test_holding_the_interpreter(stage: Stage, record: Record) -> None:
    """Given an actor that holds the GIL for 30 s, then its worker is not thought dead, and it runs once."""
    busy = await stage.worker("--queues", "fault-gil")
    await stage.worker()
    await stage.scheduler()
    await stage.enqueue(1, act.hold_gil, 30)
    stage.strike()
    outcome = await stage.outcome("an actor that holds the GIL for 30 s")
    record(outcome)
    assert outcome.seconds >= 30
    assert outcome.more_runs == 0
    assert "thought dead" not in busy.output
    assert stage.said("a worker died") == 0
