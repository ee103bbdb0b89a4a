"""What a worker does for jobs of workflows, done by a test, which so says what comes after what."""

import uuid

import asyncpg

from db import jobs, workers, workflow_jobs
from runtime.advance import advancing
from runtime.client import Client
from services.workflows import Flow
from tests.runtime.observing import fetch
from tests.workflows import observing as see

ME = uuid.UUID(int=7)


async def begin(client: Client, flow: Flow) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """A workflow and its first jobs, all of which run, on this worker."""
    await fetch(client, workers.REGISTER, ME, "h", 1, "p", ["flow"], 1, 1, "0", "3", "2")
    workflow = await see.start(client, flow)
    first = [row["id"] for row in await fetch(client, "select id from jobs order by item")]
    await claim(client, first)
    return workflow, first


async def claim(client: Client, ids: list[uuid.UUID], attempt: int = 0) -> None:
    """Run these jobs, which have had so many attempts."""
    assert len(await fetch(client, jobs.CLAIM, ids, [attempt] * len(ids), ME)) == len(ids)


async def succeed(
    client: Client, connection: asyncpg.Connection, workflow: uuid.UUID, job: uuid.UUID, attempt: int = 1
) -> None:
    """A run of a job ends well, with the result 1."""
    async with advancing(connection, client.outbox, {workflow}) as advance:
        ended = await connection.fetch(workflow_jobs.SUCCEED, [job], [attempt], ["1"], ME)
        await advance.report([], ended)


async def fail(client: Client, connection: asyncpg.Connection, workflow: uuid.UUID, job: uuid.UUID) -> None:
    """The first run of a job fails for good."""
    async with advancing(connection, client.outbox, {workflow}) as advance:
        await connection.execute(jobs.FAIL, [job], [1], ["Wrong"], ["no"], [""], [None], ME)
        await advance.report([job])
