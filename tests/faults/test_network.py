"""The network between a worker and its servers breaks, or is slow."""

import asyncio
import random

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage

SERVERS = pytest.mark.parametrize("server", ["PostgreSQL", "Redis"])


def proxied(stage: Stage, server: str, proxy: Proxy) -> dict[str, str]:
    name = "DATABASE_URL" if server == "PostgreSQL" else "REDIS_URL"
    return {name: proxy.instead_of(stage.environment[name])}


async def at_work(stage: Stage, variables: dict[str, str], number: int = 1_000) -> None:
    """The proxy stands before the worker and the scheduler."""
    await stage.scheduler(**variables)
    await stage.worker(**variables)
    await stage.enqueue(number, act.work_async, 0.5)
    await stage.enqueue(20, act.work_sync, 0.5)
    await stage.started(100)


def url_of(stage: Stage, server: str) -> str:
    return stage.servers.postgres.url if server == "PostgreSQL" else stage.servers.valkey.url


@pytest.mark.fault
@SERVERS
async def test_cut(stage: Stage, record: Record, server: str) -> None:
    """Given a worker at work, when its connections are cut five times and then refused for 10 s, it recovers."""
    async with Proxy.to(url_of(stage, server)) as proxy:
        await at_work(stage, proxied(stage, server, proxy))
        for _ in range(5):
            proxy.cut()
            await asyncio.sleep(0.5)  # the fault's own length
        proxy.refuse()
        await asyncio.sleep(10)  # the same
        await proxy.accept()
        stage.strike()
        outcome = await stage.outcome(f"TCP to {server} cut five times, then refused for 10 s")
    record(outcome)
    assert outcome.seconds <= 60


@pytest.mark.fault
@SERVERS
async def test_slow(stage: Stage, record: Record, server: str) -> None:
    """Given 300 ms more to a server, then jobs are done all the same, once each."""
    async with Proxy.to(url_of(stage, server)) as proxy:
        proxy.delay = 0.15  # each way
        # A job's transaction takes five round trips: 1.5 s of one connection.
        await at_work(stage, proxied(stage, server, proxy) | {"DATABASE_POOL": "20"}, number=200)
        stage.strike()
        outcome = await stage.outcome(f"300 ms more to {server}")
    record(outcome)
    assert outcome.more_runs == 0


@pytest.mark.fault
@SERVERS
async def test_silent(stage: Stage, record: Record, server: str) -> None:
    """Given a worker at work, when nothing arrives any more for 30 s and nobody says so, it recovers."""
    async with Proxy.to(url_of(stage, server)) as proxy:
        await at_work(stage, proxied(stage, server, proxy))
        proxy.stall()
        await asyncio.sleep(30)  # the fault's own length
        proxy.flow()
        stage.strike()
        outcome = await stage.outcome(f"network to {server} silent for 30 s")
    record(outcome)
    assert outcome.seconds <= 60


@pytest.mark.fault
@pytest.mark.long
async def test_replies_of_redis_lost(stage: Stage, record: Record) -> None:
    """Given a network that loses one reply of Redis in twenty: to fetches, acknowledgements and sends, then each job is
    done once."""
    async with Proxy.to(stage.servers.valkey.url) as proxy:
        dice = random.Random(5)
        proxy.swallows = lambda request: dice.random() < 0.05
        await at_work(stage, proxied(stage, "Redis", proxy))
        stage.strike()
        outcome = await stage.outcome("replies of Redis lost, one in twenty", timeout=150)
    record(outcome, **{"replies lost": proxy.swallowed})
    assert proxy.swallowed > 20
