"""Jobs that are not sent at once wait in PostgreSQL, and cost Redis nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runtime.client import Client
from services.jobs import Options
from settings import Settings
from tests.runtime.observing import enqueue, enqueue_with, row, value, waiting
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


async def test_without_redis_and_a_relay_the_row_says_that_it_was_not_sent(settings: Settings, client: Client) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    async with Client.open(away) as without_redis:
        job_id = await enqueue(without_redis, echo)
        await without_redis.outbox.drain()
    assert (await row(client, job_id)).dispatched_at is None
