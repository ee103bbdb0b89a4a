"""Delivery is at least once; the job's row makes of it one run and one effect."""

from datetime import timedelta
from typing import Any

from db.models import Job
from runtime.client import Client
from runtime.transport import Keys
from services.jobs import Options, call
from tests.conftest import StartProcess
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
    put,
    put_message,
    reaches,
    row,
    sent,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


async def copies(client: Client, queue: str, number: int) -> None:
    """Deliver the one message of a queue so many times more: the same entry again, and copies with ids of their own."""
    keys = Keys.of(queue)
    [redis_id] = await client.redis.lrange(keys.waiting, 0, -1)
    data: Any = await client.redis.hget(keys.messages, redis_id)
    for copy in range(number):
        if copy % 2:
            await client.redis.rpush(keys.waiting, redis_id)
        else:
            await put(client, queue, data)


async def put_first_message(client: Client, job: Job) -> None:
    """Deliver the message of a job's first run again."""
    await put_message(client, job.queue, job.actor, args=job.args, message_id=str(job.id), options={"attempt": 0})


@BOTH_KINDS
async def test_a_message_delivered_many_times_on_two_workers_has_one_run(
    client: Client, stage: None, worker: StartProcess, kind: str
) -> None:
    """Given ten copies of one message, when two workers fetch them at once, then one of them runs the job, once."""
    job_id = await enqueue(client, job_of(kind, "act"), "once")
    await sent(client, f"stage-{kind}")
    await copies(client, f"stage-{kind}", 9)
    await worker("tests.runtime.some_actors")
    await worker("tests.runtime.some_actors")
    await ended(client, job_id)
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == ["once"]
    assert await notes(client) == ["once attempt 1"]


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


@BOTH_KINDS
async def test_the_message_of_a_cancelled_job_is_dropped(
    client: Client, stage: None, worker: StartProcess, kind: str
) -> None:
    job_id = await enqueue(client, job_of(kind, "act"), "cancelled")
    await sent(client, f"stage-{kind}")
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = 'cancelled', outcome = 3, finished_at = now() where id = $1", job_id
        )
    await worker("tests.runtime.some_actors")
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == []
    assert (await row(client, job_id)).attempt == 0


@BOTH_KINDS
async def test_a_message_whose_row_was_deleted_is_dropped(
    client: Client, stage: None, worker: StartProcess, kind: str
) -> None:
    await enqueue(client, job_of(kind, "act"), "deleted")
    await sent(client, f"stage-{kind}")
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs")
    await worker("tests.runtime.some_actors")
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == []


async def test_two_workers_share_a_thousand_jobs(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a thousand messages twice over, when two workers fetch them, then each job runs once, and both worked."""
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for kind in ("async", "sync") for number in range(500)]
    await enqueue_all(client, calls)
    await client.outbox.drain()
    for queue in ("stage-async", "stage-sync"):
        keys = Keys.of(queue)
        ids: list[Any] = await client.redis.lrange(keys.waiting, 0, -1)
        await client.redis.rpush(keys.waiting, *ids)
    await worker("tests.runtime.some_actors")
    await worker("tests.runtime.some_actors")
    await all_ended(client, 1_000)
    done = await effects(client)
    assert len(done) == len(set(done)) == 1_000
    assert await value(client, "select count(*) from jobs where state = 'succeeded' and attempt = 1") == 1_000


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
    """Given a queue of both kinds whose threads are all busy, when async jobs come, then they need not wait."""
    await enqueue_all(client, [call(job_of("sync", "mixed"), 3.0) for _ in range(4)])

    async def busy() -> bool:
        return bool(await value(client, "select count(*) = 4 from jobs where state = 'running'"))

    await wait_for(busy)
    job = await ended(client, await enqueue(client, job_of("async", "mixed")))
    assert job.finished_at is not None
    first_sync = await value(client, "select min(started_at) from jobs where actor = 'mixed_sync'")
    assert (job.finished_at - first_sync).total_seconds() < 3
    await all_ended(client, 5)


async def test_an_async_job_in_a_queue_of_sync_ones_runs(client: Client, engine: Engine) -> None:
    options = Options(queue="stage-sync")
    job = await ended(client, await enqueue_with(client, options, job_of("async", "describe")))
    assert job.result == {"id": str(job.id), "attempt": 1, "queue": "stage-sync", "actor": "describe_async"}


async def test_a_sync_job_in_a_queue_of_async_ones_runs(client: Client, engine: Engine) -> None:
    options = Options(queue="stage-async")
    job = await ended(client, await enqueue_with(client, options, job_of("sync", "describe")))
    assert job.result == {"id": str(job.id), "attempt": 1, "queue": "stage-async", "actor": "describe_sync"}
