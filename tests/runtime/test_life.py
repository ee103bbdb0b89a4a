"""The life of a job that goes well."""

from datetime import timedelta

from runtime.client import Client
from services.jobs import call
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    all_ended,
    attempts,
    effects,
    ended,
    enqueue,
    enqueue_all,
    fetch,
    nothing_left,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

pytestmark = BOTH_KINDS


async def test_a_job_succeeds_and_its_result_is_kept(client: Client, engine: Engine, kind: str) -> None:
    job_id = await enqueue(client, job_of(kind, "echo"), {"répondre": [1, 2.5, None, True]}, twice=True)
    job = await ended(client, job_id)
    assert (job.state, job.result) == ("succeeded", [{"répondre": [1, 2.5, None, True]}] * 2)


async def test_the_row_tells_the_run(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that has succeeded, its row says which run it was, by whom and when, and holds no error."""
    job = await ended(client, await enqueue(client, job_of(kind, "echo"), 1))

    assert (job.attempt, job.max_attempts, job.outcome, job.error) == (1, 21, 1, None)
    assert job.worker is not None
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at <= job.started_at + timedelta(seconds=30)
    assert await attempts(client, job.id) == []


async def test_a_result_of_none_stays_none(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "echo"), None))
    assert (job.state, job.result) == ("succeeded", None)


async def test_the_message_is_acknowledged_once_the_job_has_ended(client: Client, engine: Engine, kind: str) -> None:
    await ended(client, await enqueue(client, job_of(kind, "echo")))
    await nothing_left(client, f"stage-{kind}")

    async def acknowledged() -> bool:
        return not [key async for key in client.redis.scan_iter("dramatiq:__acks__.*")]

    await wait_for(acknowledged, what="the sets of fetched messages to be empty")


async def test_a_thousand_jobs_run_once_each(client: Client, engine: Engine, kind: str) -> None:
    await enqueue_all(client, [call(job_of(kind, "act"), str(number)) for number in range(1_000)])
    await all_ended(client, 1_000)
    assert sorted(map(int, await effects(client))) == list(range(1_000))
    assert await value(client, "select count(*) from jobs where state = 'succeeded'") == 1_000
    assert await value(client, "select count(*) from job_attempts") == 0


async def test_a_queue_is_worked_off_in_the_order_it_was_filled(client: Client, engine: Engine, kind: str) -> None:
    """Given jobs enqueued one after the other, then none starts more than a fetch earlier than its turn."""
    for number in range(20):
        last = await enqueue(client, job_of(kind, "echo"), number)
        await ended(client, last)
    started = await fetch(client, "select id from jobs order by started_at")
    created = await fetch(client, "select id from jobs order by created_at")
    assert started == created
