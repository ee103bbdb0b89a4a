"""Workers that are asked to stop: what runs gets its grace, then goes back to the queue and uses up no attempt."""

import signal
import time

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage

GRACE = 3.0  # seconds


@pytest.mark.fault
@pytest.mark.parametrize(
    ("to_group", "times"), [(False, 1), (True, 1), (False, 2), (True, 2)], ids=["main", "group", "main-2", "group-2"]
)
async def test_asked_to_stop(stage: Stage, record: Record, to_group: bool, times: int) -> None:
    """Given jobs of 30 s and others of 1 s, when their worker gets SIGTERM, then the short ones end, the long ones go
    back to the queue soon after the grace, and another worker runs them at once."""
    await stage.scheduler()
    worker = await stage.worker(SHUTDOWN_GRACE=str(GRACE))
    await stage.enqueue(100, act.last_async, 30)
    await stage.enqueue(3, act.last_sync, 30)
    short = [*await stage.enqueue(50, act.work_async, 1), *await stage.enqueue(1, act.work_sync, 1)]
    await stage.started(154)
    stage.strike()
    for _ in range(times):
        worker.send_signal(signal.SIGTERM, to_group=to_group)
        time.sleep(0.2)  # between the two signals
    await stage.enqueue(50, act.work_async, 0)  # a stopping worker takes nothing new
    assert await worker.ended(timeout=GRACE + 10) == 0
    stopped_after = time.time() - stage.struck_at
    assert await stage.count("select count(*) from jobs where outcome = 1") == len(short)
    assert await stage.count("select count(*) from jobs where state = 'queued' and releases = 1") == 103
    assert await stage.count("select count(*) from workers") == 0
    await stage.worker()
    where, how = "the group" if to_group else "the main process", "twice" if times == 2 else "once"
    outcome = await stage.outcome(f"SIGTERM to {where}, {how}, grace {GRACE:g} s", restarts=True)
    record(outcome, **{"s until it ended": round(stopped_after, 1)})
    assert outcome.more_runs == 103
    assert await stage.count("select count(*) from job_attempts") == 0
    assert await stage.count("select count(*) from jobs where max_attempts - releases <> 21") == 0
    assert GRACE <= stopped_after <= GRACE + 5


@pytest.mark.fault
async def test_the_main_process_is_killed(stage: Stage, record: Record) -> None:
    """Given jobs of 30 s, when only the main process is killed, then its worker process stops as if asked to."""
    await stage.scheduler()
    worker = await stage.worker(SHUTDOWN_GRACE=str(GRACE))
    await stage.enqueue(100, act.last_async, 30)
    await stage.enqueue(4, act.last_sync, 30)
    await stage.started(104)
    stage.strike()
    worker.send_signal(signal.SIGKILL)
    await stage.until("select count(*) = 104 from jobs where state = 'queued' and releases = 1", timeout=GRACE + 10)
    await stage.until("select count(*) = 0 from workers")
    await stage.worker()
    outcome = await stage.outcome(f"kill -9 of a worker's main process only, grace {GRACE:g} s", restarts=True)
    record(outcome)
    assert outcome.more_runs == 104


@pytest.mark.fault
async def test_asked_to_stop_while_postgresql_is_away(stage: Stage, record: Record) -> None:
    """Given PostgreSQL away, when a worker is asked to stop, then it ends all the same, and its jobs are rescued."""
    await stage.scheduler()
    worker = await stage.worker(SHUTDOWN_GRACE=str(GRACE))
    await stage.enqueue(100, act.last_async, 30)
    await stage.enqueue(4, act.last_sync, 30)
    await stage.started(104)
    await stage.enqueue(20, act.work_sync, 0)  # they are being claimed, or not
    stage.servers.postgres.kill()
    worker.send_signal(signal.SIGTERM)
    assert await worker.ended(timeout=GRACE + 30) == 0
    await stage.servers.postgres.revive()
    stage.strike()
    await stage.worker()
    outcome = await stage.outcome(f"SIGTERM while PostgreSQL is away, grace {GRACE:g} s", restarts=True)
    record(outcome)
    assert outcome.more_runs >= 104
