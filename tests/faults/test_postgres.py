"""PostgreSQL dies, is away, or says nothing: no wrong state, no crash loop, and what happened is read again."""

import asyncio
import random
import signal

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.proxy import Proxy
from tests.faults.report import Outcome
from tests.faults.stage import Stage


async def at_work(stage: Stage, **variables: str) -> None:
    await stage.scheduler(**variables)
    for _ in range(2):
        await stage.worker(**variables)
    await stage.enqueue(1_000, act.work_async, 0.5)
    await stage.enqueue(50, act.add_later, 0.5)
    await stage.enqueue(30, act.work_sync, 0.5)
    await stage.started(200)


async def ended(stage: Stage, fault: str) -> Outcome:
    """The count; each of the 50 jobs that enqueue another one in their transaction has enqueued one."""
    outcome = await stage.outcome(fault)
    assert await stage.count("select count(*) from jobs where state = 'succeeded'") == outcome.jobs + 50
    return outcome


def all_live(stage: Stage) -> bool:
    return all(process.code is None for process in stage.processes)


@pytest.mark.fault
async def test_killed_at_work(stage: Stage, record: Record) -> None:
    """Given workers at work, when PostgreSQL is killed and starts again, then each job is done once."""
    await at_work(stage)
    for started in (200, 500):
        await stage.started(started)
        stage.servers.postgres.kill()
        await stage.servers.postgres.revive()
        stage.strike()
    outcome = await ended(stage, "PostgreSQL kill -9 and restart, twice, under load")
    record(outcome)
    assert all_live(stage)


@pytest.mark.fault
async def test_away_for_twenty_seconds(stage: Stage, record: Record) -> None:
    """Given workers at work, when PostgreSQL shuts down at once and stays away for 20 s, then nobody ends, nobody is
    thought dead, the logs stay short, and each job is done once."""
    await at_work(stage)
    stage.servers.postgres.kill(signal.SIGQUIT)
    await asyncio.sleep(20)  # the fault's own length
    await stage.servers.postgres.revive()
    stage.strike()
    outcome = await ended(stage, "PostgreSQL immediate shutdown, 20 s away")
    record(outcome)
    assert all_live(stage)
    assert stage.said("a worker died") == 0
    assert stage.said("a server is away") <= 25  # one for each activity of each process, and not for each try
    assert "Traceback" not in stage.processes[0].output


@pytest.mark.fault
async def test_replies_to_commit_lost(stage: Stage, record: Record) -> None:
    """Given a network that loses one reply to COMMIT in five, then each job is done once: what became of a commit is
    read, not guessed."""
    async with Proxy.to(stage.servers.postgres.url) as proxy:
        dice = random.Random(3)
        proxy.swallows = lambda request: b"COMMIT" in request and dice.random() < 0.2
        await at_work(stage, DATABASE_URL=proxy.instead_of(stage.environment["DATABASE_URL"]))
        stage.strike()
        outcome = await ended(stage, "replies to COMMIT lost, one in five")
    record(outcome, **{"replies lost": proxy.swallowed})
    assert proxy.swallowed > 50


@pytest.mark.fault
async def test_replies_to_anything_lost(stage: Stage, record: Record) -> None:
    """Given a network that loses the reply to one in twenty of all requests, then each job is done once."""
    async with Proxy.to(stage.servers.postgres.url) as proxy:
        dice = random.Random(4)
        proxy.swallows = lambda request: dice.random() < 0.05
        await at_work(stage, DATABASE_URL=proxy.instead_of(stage.environment["DATABASE_URL"]))
        stage.strike()
        outcome = await ended(stage, "replies to any statement lost, one in twenty")
    record(outcome, **{"replies lost": proxy.swallowed})
    assert proxy.swallowed > 50


@pytest.mark.fault
async def test_its_machine_vanishes(stage: Stage, record: Record) -> None:
    """Given connections that have gone silent without an end, as after a failover to another machine, then all find
    that out within a statement's patience (30 s), connect anew, and each job is done once."""
    async with Proxy.to(stage.servers.postgres.url) as proxy:
        await at_work(stage, DATABASE_URL=proxy.instead_of(stage.environment["DATABASE_URL"]))
        stage.strike()
        proxy.freeze()
        outcome = await ended(stage, "PostgreSQL's machine vanishes, another answers at its address")
    record(outcome)
    assert all_live(stage)
