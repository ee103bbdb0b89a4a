"""The reconciler: what the rows say to be in Redis and is not, or lies there in nobody's hands, is sent again."""

from typing import Any
from uuid import UUID

from runtime.client import Client
from runtime.transport import Keys
from scheduling.reconciler import Reconciler
from services.jobs import call
from tests.conftest import StartProcess
from tests.runtime.observing import all_ended, effects, enqueue_all, fetch, sent, value
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
QUEUE = "stage-async"


async def dispatched(client: Client, number: int, seconds_ago: float) -> None:
    """So many jobs whose messages went to Redis so long ago."""
    await enqueue_all(client, [call(echo, n) for n in range(number)])
    await sent(client, QUEUE, number)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set dispatched_at = now() - make_interval(secs => $1)", seconds_ago)


async def fetched(client: Client) -> UUID:
    """A worker takes the queue's first message, and that is the last one hears of it. Returns its job."""
    keys = Keys.of(QUEUE)
    message: Any = await client.redis.lpop(keys.waiting)
    await client.redis.sadd(Keys.acks("some-worker", QUEUE), message)
    return UUID(message.decode().rpartition(":")[2])


async def sent_again(client: Client, reconciler: Reconciler | None = None) -> list[int]:
    """Which jobs a round of the reconciler gives back to the relay."""
    await (reconciler or Reconciler(client.database, client.redis, 5_000)).run_once()
    rows = await fetch(client, "select (args->>0)::int from jobs where dispatched_at is null order by id")
    return [row[0] for row in rows]


async def after_a_first_round(client: Client) -> None:
    """The first round leaves its mark in Redis: from then on an empty Redis can be told from a new one."""
    await Reconciler(client.database, client.redis, 5_000).run_once()


async def test_messages_that_are_there_are_left_alone(client: Client) -> None:
    await after_a_first_round(client)
    await dispatched(client, 3, seconds_ago=3_600)
    assert await sent_again(client) == []


async def test_after_a_flush_all_is_sent_again_at_once(client: Client) -> None:
    await after_a_first_round(client)
    await dispatched(client, 3, seconds_ago=1)
    await client.redis.flushdb()
    assert await sent_again(client) == [0, 1, 2]


async def test_a_message_that_vanished_is_sent_again(client: Client) -> None:
    """Given messages sent a minute ago of which one is gone, then that one is sent again."""
    await after_a_first_round(client)
    await dispatched(client, 3, seconds_ago=60)
    keys = Keys.of(QUEUE)
    ids: list[Any] = await client.redis.lrange(keys.waiting, 0, -1)
    await client.redis.lrem(keys.waiting, 1, ids[1])
    await client.redis.hdel(keys.messages, ids[1])
    assert await sent_again(client) == [1]


async def test_a_message_may_be_on_its_way_for_a_moment(client: Client) -> None:
    """Given a job committed a second ago whose message is not there yet, then nobody sends it again."""
    await after_a_first_round(client)
    await dispatched(client, 1, seconds_ago=1)
    await client.redis.delete(Keys.of(QUEUE).waiting, Keys.of(QUEUE).messages)
    assert await sent_again(client) == []


async def test_a_message_that_nobody_will_be_given_is_sent_again(client: Client) -> None:
    """Given a message fetched half a minute ago by a worker that never learned of it, then it is sent again."""
    seconds = iter([0.0, 29.0, 30.0])
    reconciler = Reconciler(client.database, client.redis, 5_000, clock=lambda: next(seconds))
    await dispatched(client, 2, seconds_ago=60)
    await fetched(client)
    assert [await sent_again(client, reconciler) for _ in range(3)] == [[], [], [0]]


async def test_an_old_message_whose_turn_has_come_is_left_to_its_worker(client: Client) -> None:
    """Given a queue so long that its messages are hours old, each of which is out of the list only while it is claimed,
    then none of them is taken for stranded."""
    seconds = iter([0.0, 100.0])
    reconciler = Reconciler(client.database, client.redis, 5_000, clock=lambda: next(seconds))
    await dispatched(client, 2, seconds_ago=7_200)
    first = await fetched(client)
    assert await sent_again(client, reconciler) == []
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = 'running', worker = gen_random_uuid(), attempt = 1 where id = $1", first
        )
    await fetched(client)
    assert await sent_again(client, reconciler) == []


async def test_running_jobs_are_none_of_its_business(client: Client) -> None:
    await after_a_first_round(client)
    await dispatched(client, 1, seconds_ago=3_600)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set state = 'running', worker = gen_random_uuid(), attempt = 1")
    await client.redis.delete(Keys.of(QUEUE).waiting, Keys.of(QUEUE).messages)
    assert await sent_again(client) == []


async def test_a_flushed_redis_loses_no_job(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given 400 jobs in Redis, when it is emptied before anybody looked, then all run, once each."""
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for number in range(200) for kind in ("async", "sync")]
    await enqueue_all(client, calls)
    await client.outbox.drain()
    await client.redis.flushdb()
    await scheduler()
    await worker("tests.runtime.some_actors")
    await all_ended(client, 400)
    done = await effects(client)
    assert len(done) == len(set(done)) == 400


async def test_a_redis_flushed_under_a_working_system_loses_no_job(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a system that works off a backlog, when Redis is emptied again and again, then all jobs run once."""
    await scheduler()
    await worker("tests.runtime.some_actors")
    for part in range(5):
        await enqueue_all(client, [call(job_of("async", "act"), f"{part} {number}") for number in range(200)])
        await client.redis.flushdb()
    await all_ended(client, 1_000)
    assert await value(client, "select count(*) = 1000 and count(distinct note) = 1000 from stage.effects")
