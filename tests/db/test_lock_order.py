"""People who change many jobs at once, and the rescuer, take them in one order: they never wait in a circle."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from db import control, workers
from runtime.client import Client
from settings import Settings
from tests.db.test_statements import ME, OUTCOMES, job
from tests.runtime.observing import fetch
from tests.support.waiting import wait_for

LOW, HIGH = uuid.UUID(int=100), uuid.UUID(int=200)

# In which state the jobs are, and what comes after their ids.
STATEMENTS: dict[str, tuple[str, str, list[Any]]] = {
    "CANCEL": (control.CANCEL, "queued", ["why"]),
    "PAUSE": (control.PAUSE, "running", ["why"]),
    "RESUME": (control.RESUME, "paused", []),
    "RUN_NOW": (control.RUN_NOW, "queued", []),
    "MOVE": (control.MOVE, "queued", ["another", None]),
    "RETRY": (control.RETRY, "failed", [False]),
    "DELETE": (control.DELETE, "succeeded", []),
}


@pytest_asyncio.fixture
async def connections(client: Client) -> AsyncIterator[list[asyncpg.Connection]]:
    """Who was first, who comes now, and who looks."""
    connections = [await asyncpg.connect(str(Settings().database_url), timeout=10) for _ in range(3)]
    yield connections
    for connection in connections:
        connection.terminate()


async def made(client: Client, state: str) -> None:
    """Two jobs, the higher id first in the table, among so many that each is found by its id."""
    await fetch(
        client,
        "insert into jobs (id, actor, queue, args, kwargs)"
        " select gen_random_uuid(), 'other', 'q', '[]', '{}' from generate_series(1, 2000)",
    )
    await fetch(client, "analyze jobs")
    await fetch(client, workers.REGISTER, ME, "h", 1, "p", ["q"], 1, 1, "0", "3", "2")
    for job_id in (HIGH, LOW):
        await job(client, state, id=job_id, **({"worker": ME} if state in OUTCOMES else {}))


async def waits_for_a_lock(connection: asyncpg.Connection, looker: asyncpg.Connection) -> None:
    async def look() -> bool:
        question = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
        return bool(await looker.fetchval(question, connection.get_server_pid()))

    await wait_for(look, what="a session to wait for a lock")


@pytest.mark.parametrize("ids", [[LOW, HIGH], [HIGH, LOW]], ids=["in order", "out of order"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_jobs_are_taken_in_the_order_of_their_ids(
    client: Client, connections: list[asyncpg.Connection], name: str, ids: list[uuid.UUID]
) -> None:
    """Given somebody who holds the job with the lower id, when a statement wants both, then it waits without the one
    with the higher id, and gets both in the end."""
    statement, state, values = STATEMENTS[name]
    await made(client, state)
    if name == "RUN_NOW":
        await fetch(client, "update jobs set run_at = now() + interval '1 h'")
    first, second, looker = connections
    async with first.transaction():
        await first.execute("select from jobs where id = $1 for update", LOW)
        asked = asyncio.ensure_future(second.fetch(statement, ids, *values))
        await waits_for_a_lock(second, looker)
        await looker.execute("select from jobs where id = $1 for update nowait", HIGH)
    assert {row["id"] for row in await asked} == {LOW, HIGH}


async def test_a_rescue_takes_them_in_the_same_order(client: Client, connections: list[asyncpg.Connection]) -> None:
    await made(client, "running")
    first, second, looker = connections
    async with first.transaction():
        await first.execute("select from jobs where id = $1 for update", LOW)
        asked = asyncio.ensure_future(second.fetch(workers.RESCUE, [ME]))
        await waits_for_a_lock(second, looker)
        await looker.execute("select from jobs where id = $1 for update nowait", HIGH)
    assert {row["id"] for row in await asked} == {LOW, HIGH}
