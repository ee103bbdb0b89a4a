"""A PostgreSQL that believes that runs go on which have ended."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest_asyncio

from db import jobs
from runtime.client import Client
from runtime.failover import Failover, Run
from runtime.lease import WorkerLease
from settings import Settings
from tests.runtime.observing import enqueue, fetch, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


@pytest_asyncio.fixture
async def lease(client: Client, settings: Settings) -> AsyncIterator[WorkerLease]:
    lease = WorkerLease(client.database, settings, ["default"], 4)
    await lease.register()
    yield lease
    await fetch(client, "delete from workers where id = $1", lease.worker)


async def claimed(client: Client, lease: WorkerLease) -> uuid.UUID:
    job = await enqueue(client, job_of("async", "echo"))
    assert await fetch(client, jobs.CLAIM, [job], [0], lease.worker)
    return job


async def state(client: Client, job: uuid.UUID) -> str:
    return str(await value(client, "select state from jobs where id = $1", job))


async def test_what_has_ended_here_is_given_back(client: Client, lease: WorkerLease) -> None:
    """Given a run that goes on here and one that has ended, both of which PostgreSQL takes for running, when another
    server is met, then the second one's job is queued again, and has lost no attempt."""
    going_on, over = [await claimed(client, lease) for _ in range(2)]
    failover = Failover(client.database, lease, client.outbox, lambda: {(going_on, 1)}, patience=0.1)
    running = asyncio.create_task(failover.run())
    lease.other_server.set()

    async def queued() -> bool:
        return await state(client, over) == "queued"

    await wait_for(queued, what="the job to be queued again")
    assert await value(client, "select max_attempts - attempt from jobs where id = $1", over) == await value(
        client, "select max_attempts from jobs where id = $1", going_on
    )
    assert await state(client, going_on) == "running"
    running.cancel()


async def test_what_is_on_its_way_is_waited_for(client: Client, lease: WorkerLease) -> None:
    """Given a claim that PostgreSQL has and this worker is about to hear of, when another server is met, then it is
    left alone."""
    job = await claimed(client, lease)
    looks: list[set[Run]] = [set(), {(job, 1)}]
    seen = asyncio.Event()

    def held() -> set[Run]:
        if len(looks) == 1:
            seen.set()
            return looks[0]
        return looks.pop(0)

    running = asyncio.create_task(Failover(client.database, lease, client.outbox, held, patience=0.1).run())
    lease.other_server.set()
    await asyncio.wait_for(seen.wait(), 60)
    lease.other_server.set()  # once it looks again, it is done with the first time
    await wait_for(partial(_is_waiting, lease), what="a second look")
    assert await state(client, job) == "running"
    running.cancel()


def _is_waiting(lease: WorkerLease) -> bool:
    return not lease.other_server.is_set()


async def test_the_same_server_is_not_another(client: Client, lease: WorkerLease) -> None:
    """Given a server that was not started anew, when it is met again, then nobody looks."""
    await lease.register()
    assert not lease.other_server.is_set()
