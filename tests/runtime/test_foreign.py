"""Messages that no row stands behind get one on arrival: `actor.send()`, other programs, periodiq, the dashboard."""

import asyncio
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from dramatiq import Message, group, pipeline
from dramatiq.brokers.redis import RedisBroker

import actors
from runtime.client import Client
from runtime.transport import Keys
from services.jobs import Options
from settings import Settings
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    dead,
    effects,
    ended,
    enqueue_with,
    fetch,
    nothing_left,
    put_message,
    reaches,
    row,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


async def the_job(client: Client) -> uuid.UUID:
    """The id of the one job there is, once there is one."""

    async def look() -> list[uuid.UUID]:
        return [found["id"] for found in await fetch(client, "select id from jobs")]

    [job_id] = await wait_for(look, what="a job")
    return job_id


def stock_program(settings: Settings) -> RedisBroker:
    """Somebody else's Dramatiq, as it comes."""
    return RedisBroker(url=settings.redis)


def stock_message(name: str, queue: str, *args: Any, **options: Any) -> Message[Any]:
    return Message(queue, name, args, {}, options)


@BOTH_KINDS
async def test_a_message_sent_by_its_actor_becomes_a_job(client: Client, engine: Engine, kind: str) -> None:
    message = job_of(kind, "echo").send("hello", twice=True)
    job = await ended(client, await the_job(client))
    assert str(job.id) == message.message_id
    assert (job.state, job.attempt, job.max_attempts, job.result) == ("succeeded", 1, 21, ["hello", "hello"])
    assert (job.actor, job.queue, job.args, job.kwargs) == (
        f"echo_{kind}", f"stage-{kind}", ["hello"], {"twice": True}
    )  # fmt: skip


@BOTH_KINDS
async def test_a_message_of_another_program_becomes_a_job(
    client: Client, engine: Engine, settings: Settings, kind: str
) -> None:
    message = stock_program(settings).enqueue(stock_message(f"act_{kind}", f"stage-{kind}", "foreign"))
    job = await ended(client, await the_job(client))
    assert (str(job.id), job.state) == (message.message_id, "succeeded")
    assert await effects(client) == ["foreign"]


@BOTH_KINDS
async def test_a_message_that_fails_is_tried_again_like_any_job(client: Client, engine: Engine, kind: str) -> None:
    """Given `send_with_options(max_retries=1)`, then that is what it gets, and both failures are kept."""
    job_of(kind, "fail").send_with_options(args=(9,), max_retries=1)
    job = await ended(client, await the_job(client))
    assert (job.state, job.attempt, job.options) == ("failed", 2, {"max_retries": 1})
    assert await value(client, "select count(*) from job_attempts") == 2


@BOTH_KINDS
@pytest.mark.parametrize("ours", [True, False])
async def test_a_delayed_message_waits_in_postgresql(
    client: Client, engine: Engine, settings: Settings, kind: str, ours: bool
) -> None:
    """Given a message delayed by an hour, ours or another program's, then its row waits, and Redis and the worker's
    memory hold nothing of it."""
    if ours:
        job_of(kind, "echo").send_with_options(args=(1,), delay=3_600_000)
    else:
        stock_program(settings).enqueue(stock_message(f"echo_{kind}", f"stage-{kind}", 1), delay=3_600_000)
    job = await row(client, await the_job(client))
    assert (job.state, job.queue, job.dispatched_at) == ("queued", f"stage-{kind}", None)
    assert await value(client, "select run_at - now() between '58 min' and '61 min' from jobs")
    await nothing_left(client, f"stage-{kind}.DQ")


@BOTH_KINDS
async def test_a_delayed_message_runs_when_it_is_due(client: Client, engine: Engine, kind: str) -> None:
    sent_at = int(time.time() * 1000) / 1000  # as Dramatiq counts
    job_of(kind, "echo").send_with_options(args=("later",), delay=700)
    job = await ended(client, await the_job(client))
    assert (job.state, job.result) == ("succeeded", "later")
    assert job.started_at is not None
    assert 0.6999 <= job.started_at.timestamp() - sent_at < 30


@BOTH_KINDS
async def test_a_delay_beyond_all_calendars_is_no_trap(
    client: Client, engine: Engine, settings: Settings, kind: str
) -> None:
    """Given a message due in the year 33,658, then its row can be read."""
    queue = f"stage-{kind}.DQ"
    await put_message(client, queue, f"echo_{kind}", queue_name=queue, options={"eta": 10**15})
    assert (await row(client, await the_job(client))).state == "queued"


async def test_an_id_that_is_no_uuid_makes_one_job(client: Client, engine: Engine) -> None:
    """Given two copies of a message whose id another program made up, then they are one job."""
    await put_message(client, "stage-async", "act_async", args=["named"], message_id="order-4711")
    job = await ended(client, await the_job(client))
    await put_message(client, "stage-async", "act_async", args=["named"], message_id="order-4711")
    await nothing_left(client, "stage-async")
    assert await effects(client) == ["named"]
    assert await value(client, "select count(*) from jobs where id = $1", job.id) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01T12:00:00+00:00", "2026-03-01T13:00:00+01:00"),
        ("2026-03-01T12:00:00+00:00", "2026-03-01T12:00:01+00:00"),
        ("2026-03-01T12:00:00+00:00", "2026-03-01T12:00:37+00:00"),
        ("2026-03-01 12:00:00+00:00", "2026-03-01T12:00:00Z"),
    ],
    ids=["the same", "in another zone", "a second late", "started within the minute", "written otherwise"],
)
async def test_two_clocks_make_one_job_for_a_minute(client: Client, engine: Engine, first: str, second: str) -> None:
    """Given messages of two clocks for the same planned minute, then there is one job, and one for the next minute."""

    async def put(*moments: str) -> None:
        for moment in moments:
            await put_message(client, "stage-async", "act_async", args=["tick"], options={"scheduled_at": moment})
        await nothing_left(client, "stage-async")

    async def runs() -> int:
        return len(await effects(client))

    await put(first, second, second)
    assert await wait_for(runs) == 1
    await put("2026-03-01T12:01:00+00:00")  # had it come with them, it would stand for them, who are that late
    await wait_for(lambda: value(client, "select count(*) = 2 and bool_and(outcome = 1) from jobs"))
    assert await effects(client) == ["tick", "tick"]


@BOTH_KINDS
async def test_a_job_whose_actor_no_worker_knows_is_put_off_not_lost(client: Client, engine: Engine, kind: str) -> None:
    """Given a message for an actor that a deploy is yet to bring, then it has a row that waits, and no dead letter."""
    message_id = await put_message(client, f"stage-{kind}", "not_yet_deployed", args=[1])
    job = await row(client, await the_job(client))
    assert (str(job.id), job.state, job.actor, job.args) == (message_id, "queued", "not_yet_deployed", [1])
    await nothing_left(client, f"stage-{kind}")
    assert await value(client, "select run_at > now() and dispatched_at is null from jobs")
    assert await dead(client, f"stage-{kind}") == []


async def test_a_put_off_job_runs_once_a_worker_knows_its_actor(client: Client, engine: Engine) -> None:
    """Given a row that was put off, when it is due again and its actor is known, then it runs."""
    await put_message(client, "stage-async", "not_yet_deployed", args=["x"])
    job_id = await the_job(client)
    await nothing_left(client, "stage-async")
    async with client.database.connection() as connection:  # the deploy, and the end of the wait
        await connection.execute("update jobs set actor = 'act_async', run_at = now()")
    assert (await ended(client, job_id)).state == "succeeded"


async def test_a_job_whose_actor_never_comes_fails_in_the_end(client: Client, engine: Engine) -> None:
    """Given a job that was put off for the first time longer ago than UNKNOWN_ACTOR_LIMIT, when a worker that does not
    know its actor is given it once more, then it is a dead letter and says why."""
    await put_message(client, "stage-async", "never_deployed", args=["x"])
    job_id = await the_job(client)
    await nothing_left(client, "stage-async")
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set run_at = now(),"
            " error = jsonb_set(error::jsonb, '{since}', to_jsonb(now() - interval '2 h'))"
        )
    job = await reaches(client, job_id, "failed")
    assert job.error is not None
    assert (job.attempt, job.error["type"]) == (0, "UnknownActor")
    await wait_for(lambda: dead(client, "stage-async"))


async def requeue(client: Client, queue: str) -> None:
    """What dramatiq-dashboard's button does with the one dead letter there is."""
    keys = Keys.of(queue)
    letters: list[Any] = await client.redis.zrange(keys.dead, 0, -1)
    [letter] = letters
    data: Any = await client.redis.hget(keys.dead_messages, letter)
    await client.redis.zrem(keys.dead, letter)
    await client.redis.hdel(keys.dead_messages, letter)
    message = Message.decode(data).copy(queue_name=queue, options={"eta": 1_700_000_000_000, "retries": 0})
    await asyncio.to_thread(actors.broker.enqueue, message)


@BOTH_KINDS
@pytest.mark.parametrize("origin", ["enqueued", "sent"])
async def test_a_dead_letter_requeued_in_the_dashboard_runs_again(
    client: Client, engine: Engine, kind: str, origin: str
) -> None:
    """Given a failed job, when its dead letter is requeued, then the same job runs once more, its attempts go on
    counting and its old failures stay."""
    if origin == "enqueued":
        job_id = await enqueue_with(client, Options(max_retries=1), job_of(kind, "fail"), 2)
    else:
        job_of(kind, "fail").send_with_options(args=(2,), max_retries=1)
        job_id = await the_job(client)
    assert (await reaches(client, job_id, "failed")).attempt == 2
    await wait_for(lambda: dead(client, f"stage-{kind}"))

    await requeue(client, f"stage-{kind}")

    job = await reaches(client, job_id, "succeeded")
    assert (job.attempt, job.result) == (3, 3)
    assert await value(client, "select array_agg(attempt order by attempt) from job_attempts") == [1, 2]
    assert await value(client, "select count(*) from jobs") == 1


@BOTH_KINDS
async def test_a_dead_letter_whose_row_is_gone_runs_again(client: Client, engine: Engine, kind: str) -> None:
    """Given a dead letter whose job is past its retention, when it is requeued, then it is a job again."""
    job_id = await enqueue_with(client, Options(max_retries=0), job_of(kind, "act"), "again", then="raise inside")
    await reaches(client, job_id, "failed")
    await wait_for(lambda: dead(client, f"stage-{kind}"))
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs")
    await requeue(client, f"stage-{kind}")
    assert (await ended(client, job_id)).attempt == 1


@BOTH_KINDS
async def test_a_dead_letter_whose_key_was_taken_stays_failed(client: Client, engine: Engine, kind: str) -> None:
    """Given a failed job whose unique key a new job has, when its dead letter is requeued, then it is not run beside
    that one, and the messages behind it are not held up."""
    once = Options(max_retries=0, unique_key="once")
    job_id = await enqueue_with(client, once, job_of(kind, "fail"), 9)
    await reaches(client, job_id, "failed")
    await wait_for(lambda: dead(client, f"stage-{kind}"))
    await enqueue_with(client, Options(unique_key="once", delay=timedelta(hours=1)), job_of(kind, "echo"))
    await requeue(client, f"stage-{kind}")
    await nothing_left(client, f"stage-{kind}")
    assert (await row(client, job_id)).state == "failed"
    assert (await ended(client, await enqueue_with(client, Options(), job_of(kind, "echo")))).state == "succeeded"


@BOTH_KINDS
async def test_a_past_eta_in_an_ordinary_queue_delays_nothing(client: Client, engine: Engine, kind: str) -> None:
    """Given a message with an eta in a queue that is not delayed, as a stock dashboard requeues it, then it runs."""
    await put_message(client, f"stage-{kind}", f"act_{kind}", args=["due"], options={"eta": 1_700_000_000_000})
    assert (await ended(client, await the_job(client))).state == "succeeded"
    assert await effects(client) == ["due"]


async def test_a_pipeline_goes_from_job_to_job(client: Client, engine: Engine) -> None:
    """Given Dramatiq's own pipeline over both kinds, then each gets the result of the one before."""
    sync, async_ = job_of("sync", "echo"), job_of("async", "echo")
    pipeline([async_.message(1, twice=True), sync.message(twice=True), async_.message()]).run()

    async def done() -> bool:
        return bool(await value(client, "select count(*) = 3 from jobs where state = 'succeeded'"))

    await wait_for(done)
    results = [found[0] for found in await fetch(client, "select result::text from jobs order by finished_at")]
    assert results == ["[1,1]", "[[1,1],[1,1]]", "[[1,1],[1,1]]"]


async def test_a_group_of_messages_all_run(client: Client, engine: Engine) -> None:
    group([job_of(kind, "act").message(f"{kind} {n}") for kind in ("async", "sync") for n in range(5)]).run()

    async def done() -> bool:
        return bool(await value(client, "select count(*) = 10 from jobs where state = 'succeeded'"))

    await wait_for(done)
    assert len(await effects(client)) == 10
