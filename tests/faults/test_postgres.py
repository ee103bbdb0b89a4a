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
    assert 1 <= max(stage.missed()) <= 3  # two claims may be on their way; none says so at each of some twenty tries
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


@pytest.mark.fault
async def test_the_table_is_locked(stage: Stage, record: Record) -> None:
    """Given somebody who locks the table for longer than a statement's patience, as a migration by hand may, then each
    job is done once, though what was given up on our side goes on in PostgreSQL once the lock is gone."""
    await stage.scheduler()
    for _ in range(2):
        await stage.worker()
    await stage.enqueue(4_000, act.work_async, 0)  # so that claims are under way at any moment
    await stage.started(200)
    async with stage.client.database.connection() as connection, connection.transaction():
        await connection.execute("lock table jobs in access exclusive mode")
        await asyncio.sleep(33)  # the fault's own length
    stage.strike()
    outcome = await stage.outcome("the table locked by somebody for 33 s")
    record(outcome)
    assert all_live(stage)
    assert stage.said("a worker died") == 0


@pytest.mark.fault
async def test_it_takes_no_writes(stage: Stage, record: Record) -> None:
    """Given a server that takes no writes for a while, as one does that has become a standby, then nobody ends, and
    what had ended meanwhile is written as soon as it does."""
    await at_work(stage)
    for setting in ("on", "off"):
        async with stage.client.database.connection() as connection:
            await connection.execute(f"alter system set default_transaction_read_only = {setting}")
            await connection.execute("select pg_reload_conf()")
        await asyncio.sleep(8 if setting == "on" else 0)  # the fault's own length, half a worker's lease
    stage.strike()
    outcome = await ended(stage, "PostgreSQL takes no writes for 8 s")
    record(outcome)
    assert all_live(stage)
    assert stage.said("a worker died") == 0


@pytest.mark.fault
@pytest.mark.long
async def test_every_session_is_ended(stage: Stage, record: Record) -> None:
    """Given somebody who ends all sessions twice a second for 10 s, then each job is done once."""
    await at_work(stage)
    for _ in range(20):
        async with stage.client.database.connection() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.5)  # the fault's own length
    stage.strike()
    outcome = await ended(stage, "every session ended, twice a second for 10 s")
    record(outcome)
    assert all_live(stage)
