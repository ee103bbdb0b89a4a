"""Jobs that were not sent at once run when they are due."""

from datetime import UTC, datetime, timedelta
from statistics import median

from runtime.client import Client
from services.jobs import Options, call
from settings import Settings
from tests.runtime.engine import Engine
from tests.runtime.observing import all_ended, ended, enqueue, enqueue_all, enqueue_with
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")


async def test_a_job_starts_soon_after_it_is_due_and_never_before(client: Client, engine: Engine) -> None:
    """Given ten jobs one after the other, each due in a fifth of a second, then none starts early, and half of them
    start soon: a relay that looked each second only, and so when it was told of the job, would be 0.8 s late."""
    late = []
    for _ in range(10):
        job = await ended(client, await enqueue_with(client, Options(delay=timedelta(seconds=0.2)), echo))
        assert job.started_at is not None
        late.append((job.started_at - job.run_at).total_seconds())
    assert min(late) >= 0
    assert median(late) < 0.5, late


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
