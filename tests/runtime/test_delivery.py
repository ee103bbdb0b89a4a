"""Delivery is at least once; the job's row makes of it one run and one effect."""

from datetime import timedelta

from db.models import Job
from runtime.client import Client
from services.jobs import Options, call
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    all_ended,
    effects,
    ended,
    enqueue,
    enqueue_all,
    enqueue_with,
    fetch,
    go,
    noted,
    notes,
    nothing_left,
    put_message,
    reaches,
    row,
    value,
)
from tests.runtime.some_actors import job_of


async def put_first_message(client: Client, job: Job) -> None:
    """Deliver the message of a job's first run again."""
    await put_message(client, job.queue, job.actor, args=job.args, message_id=str(job.id), options={"attempt": 0})


@BOTH_KINDS
async def test_a_message_delivered_again_while_its_job_runs_is_dropped(
    client: Client, engine: Engine, kind: str
) -> None:
    job_id = await enqueue(client, job_of(kind, "hold"), "held")
    await noted(client, "held started")
    job = await row(client, job_id)
    await put_first_message(client, job)
    await ended(client, await enqueue(client, job_of(kind, "echo")))  # fetched after the copy
    await go(client, "held")
    await ended(client, job_id)
    assert await notes(client) == ["held started"]
    assert await effects(client) == ["held"]


@BOTH_KINDS
async def test_a_message_delivered_again_after_its_job_has_ended_is_dropped(
    client: Client, engine: Engine, kind: str
) -> None:
    job_id = await enqueue(client, job_of(kind, "act"), "once")
    before = await ended(client, job_id)
    await put_first_message(client, before)
    await nothing_left(client, before.queue)
    assert await effects(client) == ["once"]
    assert (await row(client, job_id)).finished_at == before.finished_at


@BOTH_KINDS
async def test_a_message_of_an_earlier_attempt_is_dropped(client: Client, engine: Engine, kind: str) -> None:
    """Given a job whose second run waits for an hour, when its first message comes again, then nothing runs."""
    job_id = await enqueue_with(client, Options(min_backoff=3_600_000, max_backoff=7_200_000), job_of(kind, "fail"), 9)
    await noted(client, "attempt 1")
    job = await reaches(client, job_id, "queued")
    await put_first_message(client, job)
    await nothing_left(client, job.queue)
    assert await notes(client) == ["attempt 1"]


@BOTH_KINDS
async def test_a_message_that_comes_too_early_is_dropped(client: Client, engine: Engine, kind: str) -> None:
    """Given a job for later, when a message of it comes now, then it waits all the same."""
    job_id = await enqueue_with(client, Options(delay=timedelta(hours=1)), job_of(kind, "act"), "early")
    job = await row(client, job_id)
    await put_first_message(client, job)
    await nothing_left(client, job.queue)
    assert (await row(client, job_id)).state == "queued"


async def test_a_queue_of_both_kinds_drains(client: Client, engine: Engine) -> None:
    """Given a queue with more sync jobs than there are threads, and async ones among them, then all of them run: the
    async ones on the event loop, the others on threads."""
    calls = [call(job_of(kind, "mixed")) for _ in range(50) for kind in ("sync", "async")]
    await enqueue_all(client, calls)
    await all_ended(client, 100, timeout=60)
    ran = await fetch(client, "select actor, array_agg(distinct result #>> '{}') as on from jobs group by actor")
    threads = {found["actor"]: set(found["on"]) for found in ran}
    assert len(threads["mixed_async"]) == 1
    assert threads["mixed_async"].isdisjoint(threads["mixed_sync"])


async def test_slow_sync_jobs_leave_async_ones_their_way(client: Client, engine: Engine) -> None:
    """Given a queue of both kinds whose threads are all busy, when an async job comes, then it need not wait: it ends
    while they are still busy."""
    await enqueue_all(client, [call(job_of("sync", "mixed_hold"), "slow") for _ in range(4)])
    await noted(client, "slow started", times=4)
    assert (await ended(client, await enqueue(client, job_of("async", "mixed")))).state == "succeeded"
    assert await value(client, "select count(*) from jobs where state = 'running'") == 4
    await go(client, "slow")
    await all_ended(client, 5)


async def test_an_async_job_in_a_queue_of_sync_ones_runs(client: Client, engine: Engine) -> None:
    options = Options(queue="stage-sync")
    job = await ended(client, await enqueue_with(client, options, job_of("async", "describe")))
    assert job.result == {"id": str(job.id), "attempt": 1, "queue": "stage-sync", "actor": "describe_async"}


async def test_a_sync_job_in_a_queue_of_async_ones_runs(client: Client, engine: Engine) -> None:
    options = Options(queue="stage-async")
    job = await ended(client, await enqueue_with(client, options, job_of("sync", "describe")))
    assert job.result == {"id": str(job.id), "attempt": 1, "queue": "stage-async", "actor": "describe_sync"}
