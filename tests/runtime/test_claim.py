"""A claim whose answer is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import dramatiq
import pytest_asyncio

from db import jobs, workers
from db.database import Database
from runtime.claim import claim
from runtime.client import Client
from runtime.delivery import Delivery
from runtime.ids import uuid7
from settings import Settings
from tests.runtime.observing import enqueue, fetch, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


class Deaf:
    """A database whose first connection hears no answer: what it was told to do goes on there."""

    def __init__(self, database: Database, other: asyncpg.Connection) -> None:
        self._database, self._other = database, other
        self.under_way: asyncio.Task[Any] | None = None

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        self.under_way = asyncio.create_task(self._other.fetch(statement, *values))
        await asyncio.sleep(0)
        raise ConnectionResetError

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        if self.under_way is None:
            yield self
            return
        async with self._database.connection() as connection:
            yield connection


@pytest_asyncio.fixture
async def connections() -> AsyncIterator[list[asyncpg.Connection]]:
    """Who has locked the job, and whose answers are lost."""
    connections = [await asyncpg.connect(str(Settings().database_url), timeout=10) for _ in range(2)]
    yield connections
    for connection in connections:
        connection.terminate()


async def test_a_claim_that_is_still_under_way_is_waited_for(
    client: Client, connections: list[asyncpg.Connection]
) -> None:
    """Given a claim that waits in PostgreSQL when its answer is lost, and is made again, then the job that the first
    one gets in the end is ours, and not somebody's who does not know of it."""
    locker, other = connections
    worker = uuid7()
    await fetch(client, workers.REGISTER, worker, "h", 1, "p", ["q"], 1, 1, "0", "3", "2")
    job = await enqueue(client, job_of("async", "echo"))
    message: dramatiq.Message[Any] = dramatiq.Message("default", "echo", (), {}, {"attempt": 0}, message_id=str(job))
    async with locker.transaction():
        await locker.execute("select from jobs where id = $1 for update", job)
        database = Deaf(client.database, other)
        claiming = asyncio.create_task(claim(cast("Database", database), [Delivery(message, "default", "1")], worker))
        await wait_for(lambda: _two_wait(client), what="both claims to wait for the lock")
    won = await asyncio.wait_for(claiming, 20)
    assert list(won) == [job]
    assert await value(client, "select worker from jobs where id = $1", job) == worker
    assert database.under_way is not None
    assert [row["id"] for row in await database.under_way] == [job], "the first claim got it"


async def _two_wait(client: Client) -> bool:
    waiting = "select count(*) = 2 from pg_stat_activity where wait_event_type = 'Lock' and query = $1"
    return bool(await value(client, waiting, jobs.CLAIM))
