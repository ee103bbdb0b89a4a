"""Messages delivered several times, to several workers, or too late: one run and one effect come of it."""

import uuid
from typing import Any

from db import jobs
from runtime.client import Client
from runtime.transport import Keys, redis_id
from services import control
from services.jobs import Options, call
from tests.conftest import StartProcess
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    all_ended,
    effects,
    ended,
    enqueue,
    enqueue_all,
    enqueue_with,
    go,
    noted,
    notes,
    nothing_left,
    put,
    relaying,
    row,
    sent,
    value,
)
from tests.runtime.some_actors import job_of


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
    async with relaying(client):
        job = await ended(client, job_id)
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == ["once"]
    assert await notes(client) == [f"once attempt {job.releases + 1}"]


@BOTH_KINDS
async def test_an_old_message_before_the_one_that_counts_does_not_take_its_run(
    client: Client, stage: None, worker: StartProcess, kind: str
) -> None:
    """Given a job that is in its second attempt, and a message of the first, given back by a lost worker, which stands
    before that of the second: when both are fetched at once, then the job runs, and ends."""
    job_id = await enqueue(client, job_of(kind, "act"), "again")
    [first] = await sent(client, f"stage-{kind}")
    async with client.database.connection() as connection:
        await connection.execute("update jobs set attempt = 1, max_attempts = max_attempts + 1 where id = $1", job_id)
    options = first.options | {"attempt": 1, "redis_message_id": redis_id(0, 1, job_id)}
    data = first.copy(options=options).encode()
    await put(client, f"stage-{kind}", data, redis_id(0, 1, job_id))
    await worker("tests.runtime.some_actors")
    async with relaying(client):
        job = await ended(client, job_id)
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == ["again"]
    assert await notes(client) == [f"again attempt {job.releases + 2}"]


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


async def finds_the_new_arguments(
    client: Client, worker: StartProcess, scheduler: StartProcess, kind: str, job_id: uuid.UUID
) -> None:
    """The message that lies there starts nothing; the one that is sent next does."""
    await worker("tests.runtime.some_actors")
    await nothing_left(client, f"stage-{kind}")
    await scheduler()
    await ended(client, job_id)
    assert await effects(client) == ["new"]


@BOTH_KINDS
async def test_a_job_that_runs_again_with_other_arguments_does_not_find_the_old_ones(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, kind: str
) -> None:
    """Given a job that was cancelled while its message was on its way, when it is run again with other arguments, then
    that message does not start it."""
    job_id = await enqueue(client, job_of(kind, "act"), "old")
    await sent(client, f"stage-{kind}")
    async with client.session() as session:
        await control.cancel(session, job_id, who="ada")
        await control.retry(session, job_id, who="ada", arguments=control.Arguments(["new"], {}))
        await session.commit()
    await finds_the_new_arguments(client, worker, scheduler, kind, job_id)


@BOTH_KINDS
async def test_a_debounced_job_that_was_paused_on_its_way_does_not_find_the_old_arguments(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, kind: str
) -> None:
    options = Options(unique_key="k", unique_until="started")
    job_id = await enqueue_with(client, options, job_of(kind, "act"), "old")
    await sent(client, f"stage-{kind}")
    async with client.session() as session:
        await control.pause(session, job_id, who="ada")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(jobs.DEBOUNCE, "k", '["new"]', "{}", 0.0, None)
    async with client.session() as session:
        await control.resume(session, job_id, who="ada")
        await session.commit()
    await finds_the_new_arguments(client, worker, scheduler, kind, job_id)


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


async def test_two_workers_share_a_thousand_jobs(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a thousand messages twice over, when two workers fetch them, then each job runs once, and both worked."""
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for kind in ("async", "sync") for number in range(500)]
    await enqueue_all(client, calls)
    await client.outbox.drain()
    for queue in ("stage-async", "stage-sync"):
        keys = Keys.of(queue)
        ids: list[Any] = await client.redis.lrange(keys.waiting, 0, -1)
        await client.redis.rpush(keys.waiting, *ids)
    await scheduler()  # on a busy machine a worker gives some back that it has claimed ahead
    await worker("tests.runtime.some_actors")
    await worker("tests.runtime.some_actors")
    await all_ended(client, 1_000)
    done = await effects(client)
    assert len(done) == len(set(done)) == 1_000
    once = "select count(*) from jobs where state = 'succeeded' and attempt = 1 + releases"
    assert await value(client, once) == 1_000


@BOTH_KINDS
async def test_a_busy_worker_keeps_no_job_from_an_idle_one(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, kind: str
) -> None:
    """Given two workers of four places each, when short jobs are followed by eight long ones, then all eight start:
    none waits in the hands of a worker that was fast a moment ago, while the other has nothing to do."""
    await enqueue_all(client, [call(job_of(kind, "nap"), 1)] * 800)
    await enqueue_all(client, [call(job_of(kind, "hold"), "long")] * 8)
    await scheduler()
    for _ in range(2):
        await worker("tests.runtime.some_actors", ASYNC_CONCURRENCY="4", SHUTDOWN_GRACE="0")
    await noted(client, "long started", times=8)
    await go(client, "long")
    await all_ended(client, 808)


async def test_a_busy_kind_keeps_no_job_of_the_other_from_an_idle_worker(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a queue of both kinds and two workers whose threads are busy on one of them only, when more sync jobs come,
    then the idle worker runs them, while the busy one is still busy."""
    await scheduler()
    await worker("tests.runtime.some_actors")
    await enqueue_all(client, [call(job_of("sync", "mixed_hold"), "slow")] * 4)
    await noted(client, "slow started", times=4)
    await worker("tests.runtime.some_actors")
    ids = await enqueue_all(client, [call(job_of("sync", "mixed"))] * 4)
    for job_id in ids:
        assert (await ended(client, job_id)).state == "succeeded"
    assert await value(client, "select count(*) from jobs where state = 'running'") == 4
