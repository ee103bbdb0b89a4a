"""Schedulers die, stop, or have a wrong clock: one leads at a time, and nothing is run twice."""

import os
import re
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage
from tests.support.process import Process

LEADS = "this process leads"
TAKEN_WITHIN = 17  # seconds: the lease, and a standby's look
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


async def two_schedulers(stage: Stage, **variables: str) -> tuple[Process, Process]:
    leader = await stage.scheduler(**variables)
    await leader.says(LEADS)
    standby = await stage.scheduler(**variables)
    await stage.worker()
    return leader, standby


def terms(stage: Stage) -> list[int]:
    """Every term that somebody has led in."""
    return [int(term) for term in re.findall(rf"{LEADS}' term=(\d+)", stage.output)]


@pytest.mark.fault
async def test_the_leader_is_killed(stage: Stage, record: Record) -> None:
    """Given a leader and a worker that are killed, then the standby leads within its lease, and rescues."""
    leader, standby = await two_schedulers(stage)
    doomed = await stage.worker()
    await stage.enqueue(300, act.work_async, 3)
    await stage.started(300)
    stage.strike()
    leader.kill()
    doomed.kill()
    await standby.says(LEADS)
    outcome = await stage.outcome("kill -9 of the leader and of a worker", restarts=True)
    record(outcome)
    assert len(terms(stage)) == len(set(terms(stage))) == 2
    assert outcome.restarted is not None
    assert outcome.restarted <= TAKEN_WITHIN + 5


@pytest.mark.fault
async def test_the_leader_is_stopped_and_goes_on(stage: Stage, record: Record) -> None:
    """Given a leader that was stopped past its lease, when it goes on, then it does not lead beside the other."""
    leader, standby = await two_schedulers(stage)
    await stage.enqueue(2_000, act.work_async, 0.1)
    stage.strike()
    os.kill(leader.pid, signal.SIGSTOP)
    await standby.says(LEADS)
    doomed = await stage.worker()
    await stage.enqueue(200, act.work_async, 3)
    os.kill(leader.pid, signal.SIGCONT)
    doomed.kill()
    outcome = await stage.outcome("SIGSTOP of the leader past its lease, then SIGCONT")
    record(outcome)
    assert sorted(terms(stage)) == [1, 2]
    assert await stage.count("select term from leases") == 2


async def test_the_leader_stops_cleanly(stage: Stage) -> None:
    """Given a leader that is asked to stop, then a standby leads long before the lease would have run out."""
    leader, standby = await two_schedulers(stage, LEADER_LEASE="3600")
    leader.stop()
    await standby.says(LEADS)


@pytest.mark.fault
async def test_a_clock_is_ahead(stage: Stage, record: Record) -> None:
    """Given a scheduler whose clock is 5 min ahead, and one whose is right, then nobody is thought dead, nothing is
    early, and nothing is run twice."""
    assert FAKETIME, "This test needs libfaketime: apt-get install faketime"
    ahead = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+5m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    leader = await stage.scheduler(**ahead)
    await leader.says(LEADS)
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(500, act.work_async, 0.5)
    late = await stage.enqueue(100, act.work_async, 0, delay=timedelta(seconds=20))
    stage.strike()
    await stage.until("select count(*) = 500 from jobs where outcome = 1")
    outcome = await stage.outcome("clock of the leading scheduler 5 min ahead")
    record(outcome)
    assert outcome.more_runs == 0
    assert stage.said("a worker died") == 0
    assert await stage.count("select count(*) from jobs where started_at < run_at") == 0
    assert len(terms(stage)) == len(set(terms(stage)))
    assert len(late) == 100


@pytest.mark.fault
@pytest.mark.long
async def test_a_workers_clock_is_ahead(stage: Stage, record: Record) -> None:
    """Given a worker whose clock is ten minutes ahead beside one whose is right, then nobody is thought dead, nothing
    is early, nothing expires, and nothing is run twice. (One behind: libfaketime breaks Python's `sleep` there.)"""
    assert FAKETIME, "This test needs libfaketime: apt-get install faketime"
    ahead = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+10m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    await stage.scheduler()
    await stage.worker(**ahead)
    await stage.worker()
    await stage.enqueue(500, act.work_async, 0.5, expires=timedelta(minutes=5))
    await stage.enqueue(100, act.work_async, 0, delay=timedelta(seconds=20))
    stage.strike()
    outcome = await stage.outcome("clock of a worker 10 min ahead")
    record(outcome)
    assert outcome.more_runs == 0
    assert stage.said("a worker died") == 0
    assert await stage.count("select count(*) from jobs where started_at < run_at") == 0
