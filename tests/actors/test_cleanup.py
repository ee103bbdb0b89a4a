"""`cleanup_completed_jobs`: what is past its retention goes, in batches; all else stays."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from actors.cleanup import BATCH, cleanup_completed_jobs
from runtime.client import Client
from tests.conftest import StartProcess
from tests.runtime.observing import ended, enqueue, fetch, value

Clean = Callable[[], Awaitable[Any]]
OUTCOMES = {"succeeded": 1, "failed": 2, "cancelled": 3}


@pytest_asyncio.fixture
async def cleaner(client: Client, worker: StartProcess) -> Clean:
    """Runs the actor on a worker that keeps successes 7 days, cancellations 5 and failures 30; gives its result."""

    async def clean() -> Any:
        await worker("actors", RETENTION_SUCCEEDED_DAYS="7", RETENTION_CANCELLED_DAYS="5", RETENTION_FAILED_DAYS="30")
        job = await ended(client, await enqueue(client, cleanup_completed_jobs))
        assert job.state == "succeeded", job.error
        return job.result

    return clean


async def insert(client: Client, state: str, days_ago: float, number: int = 1) -> None:
    """Jobs that ended so long ago; for a state that is no end: that were made so long ago."""
    async with client.database.connection() as connection:
        await connection.execute(
            """
            insert into jobs (id, actor, queue, args, kwargs, state, worker, outcome, finished_at, created_at, run_at)
            select gen_random_uuid(), 'echo', 'q', '[]', '{}', $1,
                   case when $1 = 'running' then gen_random_uuid() end, $2::smallint,
                   case when $2::smallint is not null then now() - make_interval(secs => $3) end,
                   now() - make_interval(secs => $3), now() - make_interval(secs => $3)
            from generate_series(1, $4)
            """,
            state, OUTCOMES.get(state), days_ago * 86_400, number,
        )  # fmt: skip


async def left(client: Client) -> dict[str, int]:
    rows = await fetch(client, "select state, count(*) as number from jobs where actor = 'echo' group by state")
    return {row["state"]: row["number"] for row in rows}


async def test_each_state_has_its_own_retention(client: Client, cleaner: Clean) -> None:
    """Given jobs just within and just past each retention, then those past it go, and the actor says how many."""
    for state, days in (("succeeded", 7), ("cancelled", 5), ("failed", 30)):
        await insert(client, state, days + 0.1, number=3)
        await insert(client, state, days - 0.1, number=2)
    assert await cleaner() == {"succeeded": 3, "cancelled": 3, "failed": 3, "workflows": 0}
    assert await left(client) == {"succeeded": 2, "cancelled": 2, "failed": 2}


async def test_what_has_not_ended_stays_however_old(client: Client, cleaner: Clean) -> None:
    for state in ("queued", "running", "waiting", "paused"):
        await insert(client, state, days_ago=1_000)
    assert await cleaner() == {"succeeded": 0, "cancelled": 0, "failed": 0, "workflows": 0}
    assert await left(client) == {"queued": 1, "running": 1, "waiting": 1, "paused": 1}


async def test_the_attempts_go_with_their_job(client: Client, cleaner: Clean) -> None:
    await insert(client, "failed", days_ago=31)
    await insert(client, "failed", days_ago=1)
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " select id, 1, gen_random_uuid(), now(), '', '', '' from jobs"
        )
    await cleaner()
    assert await value(client, "select count(*) from job_attempts") == 1


@pytest.mark.parametrize("number", [BATCH, BATCH * 2 + 1])
async def test_more_than_a_batch_goes_too(client: Client, cleaner: Clean, number: int) -> None:
    await insert(client, "succeeded", days_ago=8, number=number)
    assert (await cleaner())["succeeded"] == number
    assert await left(client) == {}
