"""The relay: what is due goes to Redis, the most urgent first, as far as there is room, each job once."""

import asyncio
from datetime import timedelta

import pytest
from redis.exceptions import RedisError

from runtime.client import Client
from scheduling.relay import Relay
from services.jobs import Options, call
from settings import Settings
from tests.conftest import StartProcess
from tests.runtime.observing import (
    all_ended,
    effects,
    enqueue_all,
    enqueue_with,
    value,
    waiting,
)
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
QUEUE = "stage-async"


def relay(client: Client, window: int = 1_000) -> Relay:
    return Relay(client.database, client.outbox, window)


async def undispatched(client: Client, number: int, **options: object) -> None:
    """So many jobs that nobody has sent yet, due now."""
    await enqueue_all(client, [call(echo, n) for n in range(number)], **options)
    await client.outbox.drain()
    await client.redis.flushdb()
    async with client.database.connection() as connection:
        await connection.execute("update jobs set dispatched_at = null")


async def numbers(client: Client) -> list[int]:
    return [message.args[0] for message in await waiting(client, QUEUE)]


async def test_what_is_due_is_sent_and_marked(client: Client) -> None:
    await undispatched(client, 5)
    await relay(client).run_once()
    assert await numbers(client) == [0, 1, 2, 3, 4]
    assert await value(client, "select count(*) from jobs where dispatched_at is not null") == 5


async def test_what_is_sent_is_an_ordinary_message(client: Client) -> None:
    """Given a job with options, then the relay's message carries them, as the one sent at once would have."""
    job_id = await enqueue_with(client, Options(delay=timedelta(0), time_limit=5_000), echo, "é", twice=True)
    await undispatch_all(client)
    await relay(client).run_once()
    [message] = await waiting(client, QUEUE)
    assert (message.message_id, message.actor_name, message.args) == (str(job_id), "echo_async", ("é",))
    assert (message.kwargs, message.options["time_limit"]) == ({"twice": True}, 5_000)
    assert message.options["attempt"] == 0


async def undispatch_all(client: Client) -> None:
    await client.outbox.drain()
    await client.redis.flushdb()
    async with client.database.connection() as connection:
        await connection.execute("update jobs set dispatched_at = null")


async def test_what_is_not_due_stays(client: Client) -> None:
    """Given a job for in an hour, then the relay sends nothing, and comes back within its period."""
    await enqueue_with(client, Options(delay=timedelta(hours=1)), echo)
    wait = await relay(client).run_once()
    assert await waiting(client, QUEUE) == []
    assert 0 < wait <= 1


async def test_it_comes_back_when_the_next_job_is_due(client: Client) -> None:
    """Given jobs due now and in 0.4 s, then the relay sends the one, and wants to be back in time for the other."""
    await undispatched(client, 1)
    await enqueue_with(client, Options(delay=timedelta(seconds=0.4)), echo)
    service = relay(client)
    wait = await service.run_once()
    if wait < 0.05:  # it looks again at once after sending
        wait = await service.run_once()
    assert wait <= 0.4


async def test_the_urgent_go_first_then_the_oldest(client: Client) -> None:
    """Given jobs of three priorities, each with three due times, then they lie in Redis by priority, then by time."""
    for priority in (5, -5, 0):
        for age in (1, 3, 2):
            options = Options(priority=priority, delay=timedelta(seconds=-age))
            await enqueue_with(client, options, echo, 10 * priority - age)
    await undispatch_all(client)
    await relay(client).run_once()
    assert await numbers(client) == [10 * priority - age for priority in (-5, 0, 5) for age in (3, 2, 1)]


async def test_redis_is_kept_shallow(client: Client) -> None:
    """Given more jobs than the window holds, then Redis holds a window of them, and the rest once there is room."""
    await undispatched(client, 50)
    service = relay(client, window=20)
    for _ in range(3):
        await service.run_once()
    assert await numbers(client) == list(range(20))

    await client.redis.ltrim(f"dramatiq:{QUEUE}", 15, -1)  # a worker has taken fifteen
    for _ in range(3):
        await service.run_once()
    assert await numbers(client) == list(range(15, 35))


async def test_an_urgent_job_enters_a_full_queue_at_the_front(client: Client) -> None:
    await undispatched(client, 30)
    service = relay(client, window=20)
    await service.run_once()
    await enqueue_with(client, Options(priority=-1, run_at=None, delay=timedelta(seconds=-1)), echo, 999)
    await service.run_once()
    assert await numbers(client) == [999, *range(20)]


async def test_several_relays_send_each_job_once(client: Client) -> None:
    """Given 500 jobs and six relays that all run at once, then each job is in Redis once."""
    await undispatched(client, 500)
    await asyncio.gather(*(relay(client).run_once() for _ in range(6)))
    assert sorted(await numbers(client)) == list(range(500))


async def test_while_redis_is_away_nothing_is_marked_as_sent(client: Client, settings: Settings) -> None:
    await undispatched(client, 5)
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    async with Client.open(away) as without_redis:
        with pytest.raises(RedisError):
            await relay(without_redis).run_once()
    assert await value(client, "select count(*) from jobs where dispatched_at is null") == 5


async def test_several_schedulers_and_workers_run_each_job_once(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given 800 jobs due together, two schedulers and two workers, then each job has its effect once."""
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for number in range(400) for kind in ("async", "sync")]
    await enqueue_all(client, calls, delay=timedelta(seconds=3))
    await asyncio.gather(
        scheduler(), scheduler(), worker("tests.runtime.some_actors"), worker("tests.runtime.some_actors")
    )
    await all_ended(client, 800)
    done = await effects(client)
    assert len(done) == len(set(done)) == 800
    assert await value(client, "select count(*) from jobs where state = 'succeeded'") == 800
