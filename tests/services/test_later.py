"""Jobs for later: they wait in PostgreSQL, cost Redis nothing, and run when they are due."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runtime.client import Client
from services.jobs import Options, call
from settings import Settings
from tests.runtime.engine import Engine
from tests.runtime.observing import all_ended, ended, enqueue, enqueue_all, enqueue_with, row, value, waiting
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("way", ["delay", "run_at"])
async def test_a_job_for_later_waits_in_postgresql(client: Client, way: str) -> None:
    """Given a job for in an hour, then its row says so, and Redis knows nothing of it."""
    asked: dict[str, Any] = {"delay": HOUR} if way == "delay" else {"run_at": datetime.now(UTC) + HOUR}
    job_id = await enqueue_with(client, Options(**asked), echo)
    await client.outbox.drain()

    job = await row(client, job_id)
    assert (job.state, job.dispatched_at) == ("queued", None)
    assert await value(client, "select run_at - now() between '58 min' and '61 min' from jobs where id = $1", job_id)
    assert await waiting(client, "stage-async") == []


async def test_a_run_at_of_another_time_zone_is_the_same_moment(client: Client) -> None:
    moment = datetime(2031, 7, 1, 12, 0, tzinfo=ZoneInfo("Asia/Kolkata"))
    job = await row(client, await enqueue_with(client, Options(run_at=moment), echo))
    assert job.run_at == moment


async def test_a_job_starts_soon_after_it_is_due_and_never_before(client: Client, engine: Engine) -> None:
    """Given ten jobs due in about a second, then none starts early, half of them within 0.3 s, all within 10 s."""
    ids = [
        await enqueue_with(client, Options(delay=timedelta(seconds=1, milliseconds=37 * number)), echo)
        for number in range(10)
    ]
    late = []
    for job_id in ids:
        job = await ended(client, job_id)
        assert job.started_at is not None
        late.append((job.started_at - job.run_at).total_seconds())
    assert min(late) >= 0
    assert sorted(late)[len(late) // 2] < 0.3
    assert max(late) < 10


async def test_a_job_for_the_past_runs_at_once(client: Client, engine: Engine) -> None:
    job = await ended(client, await enqueue_with(client, Options(run_at=datetime(2001, 1, 1, tzinfo=UTC)), echo, 1))
    assert job.state == "succeeded"


async def test_a_thousand_jobs_due_together_all_run(client: Client, engine: Engine) -> None:

    await enqueue_all(client, [call(echo, number) for number in range(1_000)], delay=timedelta(seconds=1))
    await all_ended(client, 1_000)


async def test_without_redis_a_commit_succeeds_and_the_job_runs_once_redis_is_back(
    settings: Settings, client: Client, engine: Engine
) -> None:
    """Given a Redis that refuses connections, when a job is enqueued, then the commit succeeds, its row ends up as not
    sent, and the relay, which has a Redis, sends it."""
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    async with Client.open(away) as without_redis:
        job_id = await enqueue(without_redis, echo, "sent later")
        job = await ended(client, job_id)
    assert (job.state, job.attempt, job.result) == ("succeeded", 1, "sent later")


async def test_without_redis_and_a_relay_the_row_says_that_it_was_not_sent(settings: Settings, client: Client) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    async with Client.open(away) as without_redis:
        job_id = await enqueue(without_redis, echo)
        await without_redis.outbox.drain()
    assert (await row(client, job_id)).dispatched_at is None
