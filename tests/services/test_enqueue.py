"""Enqueueing in the caller's own transaction: what is written and what is sent, and when nothing is."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import JobAttempt
from errors import BadArguments, NotFound
from runtime import enqueue as intake
from runtime.client import Client
from runtime.transport import Keys
from services import jobs
from services.jobs import Options, call, enqueue, enqueue_many, enqueue_with
from settings import Settings
from tests.runtime.observing import fetch, row, sent, value, waiting
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
QUEUE = "stage-async"


def attempt_of_nobody() -> JobAttempt:
    """A row that breaks a rule: its job does not exist."""
    now, nobody = datetime.now(UTC), uuid.uuid4()
    return JobAttempt(
        job_id=nobody, attempt=1, worker=nobody, started_at=now, error_type="", error_message="", traceback=""
    )


async def flushed(client: Client) -> None:
    """Wait until everything that was to be sent has been."""
    await client.outbox.drain()


async def test_a_commit_sends_an_ordinary_dramatiq_message(client: Client) -> None:
    """Given a committed job, then what lies in Redis is a message that any Dramatiq program can read."""
    before = datetime.now(UTC)
    async with client.session() as session:
        enqueued = await enqueue_with(session, Options(time_limit=5_000, max_retries=3), echo, ["é"], twice=True)
        await session.commit()

    [message] = await sent(client, QUEUE)
    assert enqueued.created
    assert message.message_id == str(enqueued.id)
    assert (message.queue_name, message.actor_name) == (QUEUE, "echo_async")
    assert (message.args, message.kwargs) == ((["é"],), {"twice": True})
    assert message.options["attempt"] == 0
    assert message.options["time_limit"] == 5_000
    assert message.options["max_retries"] == 3
    assert abs(message.message_datetime - before) < timedelta(seconds=30)


async def test_the_row_holds_everything_that_was_asked_for(client: Client) -> None:
    options = Options(
        priority=-3, max_retries=4, min_backoff=5, max_backoff=6, time_limit=7_000,
        unique_key="once", owner="ada", tags=["a", "b,{}\"'"],
    )  # fmt: skip
    async with client.session() as session:
        enqueued = await enqueue_with(session, options, echo, 1, twice=False)
        await session.commit()

    job = await row(client, enqueued.id)
    assert (job.actor, job.queue, job.args, job.kwargs) == ("echo_async", QUEUE, [1], {"twice": False})
    assert job.options == {"max_retries": 4, "min_backoff": 5, "max_backoff": 6, "time_limit": 7_000}
    assert (job.state, job.attempt, job.max_attempts, job.priority) == ("queued", 0, 5, -3)
    assert (job.unique_key, job.owner, job.tags) == ("once", "ada", ["a", "b,{}\"'"])
    assert job.dispatched_at is not None
    assert [job.worker, job.started_at, job.finished_at, job.outcome, job.result, job.error] == [None] * 6


async def test_ids_are_ordered_by_time(client: Client) -> None:
    async with client.session() as session:
        ids = [(await enqueue(session, echo)).id for _ in range(50)]
        await session.commit()
    assert ids == sorted(ids)
    assert {job_id.version for job_id in ids} == {7}


async def test_a_rollback_leaves_no_row_and_sends_nothing(client: Client) -> None:
    async with client.session() as session:
        await enqueue(session, echo)
        await session.rollback()
        await enqueue(session, echo, "second")
        await session.commit()
    messages = await sent(client, QUEUE)
    assert [message.args for message in messages] == [("second",)]
    assert await value(client, "select count(*) from jobs") == 1


async def test_an_error_before_the_commit_sends_nothing(client: Client) -> None:
    async def change_of_mind() -> None:
        async with client.session() as session, session.begin():
            await enqueue(session, echo)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_of_mind()
    await flushed(client)
    assert await waiting(client, QUEUE) == []
    assert await value(client, "select count(*) from jobs") == 0


async def test_a_closed_session_forgets_what_it_did_not_commit(client: Client) -> None:
    """Given a session closed without a commit, when it is used again, then only the new job is sent."""
    session = client.session()
    await enqueue(session, echo, "first")
    await session.close()
    await enqueue(session, echo, "second")
    await session.commit()
    await session.close()
    await flushed(client)
    assert [message.args for message in await waiting(client, QUEUE)] == [("second",)]


async def test_nothing_is_sent_before_the_commit(client: Client) -> None:
    async with client.session() as session:
        await enqueue(session, echo)
        await flushed(client)
        assert await waiting(client, QUEUE) == []
        await session.commit()
    assert len(await sent(client, QUEUE)) == 1


async def test_a_session_commits_more_than_once(client: Client) -> None:
    """Given a session that commits twice, then each commit sends its own job, once."""
    async with client.session() as session:
        await enqueue(session, echo, 1)
        await session.commit()
        await enqueue(session, echo, 2)
        await session.commit()
    await flushed(client)
    assert [message.args for message in await waiting(client, QUEUE)] == [(1,), (2,)]


async def test_a_savepoint_rolled_back_forgets_its_own_jobs_only(client: Client) -> None:
    async with client.session() as session:
        await enqueue(session, echo, "before")
        savepoint = await session.begin_nested()
        await enqueue(session, echo, "within")
        await savepoint.rollback()
        async with session.begin_nested():
            await enqueue(session, echo, "released")
        await enqueue(session, echo, "after")
        await session.commit()
    await flushed(client)
    expected = ["before", "released", "after"]
    assert [message.args[0] for message in await waiting(client, QUEUE)] == expected
    assert [found[0] for found in await fetch(client, "select args->>0 from jobs order by id")] == expected


async def test_an_outer_savepoint_takes_the_inner_ones_along(client: Client) -> None:
    """Given a savepoint within a savepoint, the inner one released, when the outer one is rolled back, then both go."""
    async with client.session() as session:
        await enqueue(session, echo, "kept")
        outer = await session.begin_nested()
        await enqueue(session, echo, "outer")
        async with session.begin_nested():
            await enqueue(session, echo, "inner")
        await outer.rollback()
        await session.commit()
    await flushed(client)
    assert [message.args[0] for message in await waiting(client, QUEUE)] == ["kept"]
    assert await value(client, "select count(*) from jobs") == 1


async def test_an_inner_savepoint_leaves_the_outer_one_alone(client: Client) -> None:
    async with client.session() as session:
        async with session.begin_nested():
            await enqueue(session, echo, "outer")
            inner = await session.begin_nested()
            await enqueue(session, echo, "inner")
            await inner.rollback()
        await session.commit()
    await flushed(client)
    assert [message.args[0] for message in await waiting(client, QUEUE)] == ["outer"]


async def test_a_failed_flush_in_a_savepoint_forgets_the_savepoint_only(client: Client) -> None:
    """Given a job before a savepoint, when something in the savepoint breaks a rule, then the job is still sent."""
    async with client.session() as session:
        job = (await enqueue(session, echo, "kept")).id
        savepoint = await session.begin_nested()
        session.add(attempt_of_nobody())
        with pytest.raises(IntegrityError):
            await session.flush()
        await savepoint.rollback()
        await session.commit()
    await flushed(client)
    assert [message.message_id for message in await waiting(client, QUEUE)] == [str(job)]


async def test_a_job_shares_the_fate_of_the_callers_other_writes(client: Client) -> None:
    """Given a job and a statement that fails in the same transaction, then there is no job either."""
    async with client.session() as session:
        await enqueue(session, echo)
        with pytest.raises(IntegrityError):
            await session.execute(text("insert into jobs (id) values (gen_random_uuid())"))
        await session.rollback()
    await flushed(client)
    assert await waiting(client, QUEUE) == []
    assert await value(client, "select count(*) from jobs") == 0


async def test_a_session_without_an_outbox_leaves_the_job_to_the_relay(client: Client) -> None:
    """Given a plain AsyncSession, when a job is enqueued in it, then its row waits for the relay, due at once."""
    async with AsyncSession(client.database.engine) as session:
        job_id = (await enqueue(session, echo)).id
        await session.commit()
    job = await row(client, job_id)
    assert (job.state, job.dispatched_at) == ("queued", None)
    assert job.run_at <= datetime.now(UTC)


async def test_an_actor_can_be_asked_for_by_name(client: Client) -> None:
    async with client.session() as session:
        enqueued = await jobs.enqueue_by_name(session, "echo_async", [1], {"twice": True})
        await session.commit()
    [message] = await sent(client, QUEUE)
    assert (message.message_id, message.args, message.kwargs) == (str(enqueued.id), (1,), {"twice": True})


async def test_a_job_can_go_to_another_queue(client: Client) -> None:
    async with client.session() as session:
        await enqueue_with(session, Options(queue="stage-mixed"), echo)
        await session.commit()
    [message] = await sent(client, "stage-mixed")
    assert message.queue_name == "stage-mixed"


async def test_ten_thousand_jobs_are_written_and_sent_in_order(client: Client, settings: Settings) -> None:
    """Given 10,000 calls, then all rows are there in order, Redis holds the first ones in order, and no more than its
    window."""
    async with client.session() as session:
        ids = await enqueue_many(session, [call(echo, number) for number in range(10_000)])
        await session.commit()
    await flushed(client)

    rows = await fetch(client, "select id, args->>0 as number, dispatched_at from jobs order by id")
    assert [found["id"] for found in rows] == ids
    assert [int(found["number"]) for found in rows] == list(range(10_000))
    numbers = [message.args[0] for message in await waiting(client, QUEUE)]
    assert 0 < len(numbers) <= settings.dispatch_window
    assert numbers == list(range(len(numbers)))
    assert [found["dispatched_at"] is not None for found in rows] == [n < len(numbers) for n in range(10_000)]


async def test_many_single_jobs_keep_redis_shallow(settings: Settings) -> None:
    """Given a queue that nobody works off, when 3,000 jobs are enqueued one by one, then Redis holds its window."""
    async with Client.open(settings.model_copy(update={"dispatch_window": 1_000})) as client:
        async with client.session() as session:
            for number in range(3_000):
                await enqueue(session, echo, number)
            await session.commit()
        await flushed(client)
        assert len(await waiting(client, QUEUE)) == 1_000


async def test_jobs_now_and_then_keep_redis_shallow(settings: Settings) -> None:
    """Given a queue that nobody works off, when jobs come so slowly that what is known of its length is always old,
    then Redis holds its window all the same; and when somebody has worked it off, jobs go there again."""
    async with Client.open(settings.model_copy(update={"dispatch_window": 1_000})) as client:

        async def some() -> None:
            async with client.session() as session:
                await enqueue_many(session, [call(echo, 1)] * 400)
                await session.commit()
            await flushed(client)
            await asyncio.sleep(0.12)  # what is known of the length grows old

        for _ in range(5):
            await some()
        assert len(await waiting(client, QUEUE)) == 1_000
        await client.redis.delete(Keys.of(QUEUE).waiting)
        await some()  # finds out
        await some()
        assert len(await waiting(client, QUEUE)) == 400


async def rolled_back(session: AsyncSession) -> None:
    await enqueue(session, echo)
    await session.rollback()


async def refused(session: AsyncSession) -> None:
    with pytest.raises(BadArguments):
        await enqueue(session, echo, {1, 2})


async def refused_in_bulk(session: AsyncSession) -> None:
    with pytest.raises(BadArguments):
        await enqueue_many(session, [call(echo, 1), call(echo, {2})])


async def there_already(session: AsyncSession) -> None:
    await enqueue_with(session, Options(unique_key="once"), echo)
    await session.commit()


async def rolled_back_to_a_savepoint(session: AsyncSession) -> None:
    savepoint = await session.begin_nested()
    await enqueue(session, echo)
    await savepoint.rollback()


async def never_ended(session: AsyncSession) -> None:
    await enqueue(session, echo)
    await session.close()


@pytest.mark.parametrize(
    "come_to_nothing", [rolled_back, refused, refused_in_bulk, there_already, rolled_back_to_a_savepoint, never_ended]
)
async def test_what_comes_to_nothing_takes_no_room(
    settings: Settings, come_to_nothing: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    """Given room for ten messages in Redis, when fifty jobs come to nothing, then the next one is sent at once."""
    async with Client.open(settings.model_copy(update={"dispatch_window": 10})) as client:
        async with client.session() as session:
            for _ in range(50):
                await come_to_nothing(session)
            job_id = (await enqueue(session, echo, "sent")).id
            await session.commit()
        await flushed(client)
        assert ("sent",) in [message.args for message in await waiting(client, QUEUE)]
        assert (await row(client, job_id)).dispatched_at is not None


async def test_no_calls_are_no_jobs(client: Client) -> None:
    async with client.session() as session:
        assert await enqueue_many(session, []) == []
        await session.commit()
    assert await value(client, "select count(*) from jobs") == 0


async def test_a_missing_job_is_named(client: Client) -> None:
    missing = uuid.uuid4()
    async with client.session() as session:
        with pytest.raises(NotFound, match=f"There is no job {missing}"):
            await jobs.get(session, missing)


async def test_a_job_alone_is_there_and_sent(client: Client) -> None:
    """Given a caller with nothing else to commit, when a job is enqueued alone, then its row is there at once and its
    message follows."""
    enqueued = await jobs.enqueue_alone(client, echo, 1)
    assert enqueued.created
    assert (await row(client, enqueued.id)).state == "queued"
    await flushed(client)
    assert [message.message_id for message in await sent(client, QUEUE)] == [str(enqueued.id)]


async def test_a_job_alone_with_wrong_arguments_leaves_nothing(client: Client) -> None:
    with pytest.raises(BadArguments):
        await jobs.enqueue_alone(client, echo, float("nan"))
    assert await value(client, "select count(*) from jobs") == 0
    await flushed(client)
    assert await waiting(client, QUEUE) == []


async def test_jobs_alone_with_one_unique_key_are_one(client: Client) -> None:
    first = await intake.enqueue_alone(client, Options(unique_key="once"), call(echo, 1))
    second = await intake.enqueue_alone(client, Options(unique_key="once"), call(echo, 2))
    assert (first.created, second.created) == (True, False)
    assert first.id == second.id
