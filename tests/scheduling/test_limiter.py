"""Decisions about limits: who runs, who waits, who is next, and that nobody is forgotten."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest_asyncio

from db import limits, workers
from runtime.client import Client
from runtime.grants import Grants
from scheduling.limiter import Limiter
from services.jobs import Options
from settings import Settings
from tests.runtime.limited_actors import QUEUE, broker
from tests.runtime.observing import enqueue_with, fetch, row, value, waiting

ME = uuid.UUID(int=7)
ONE: tuple[int | None, int | None, float | None] = (1, None, None)  # concurrency, rate, period
Came = Sequence[tuple[uuid.UUID, str]]


def grants(client: Client) -> Grants:
    return Grants(client.database, client.redis, client.outbox)


@pytest_asyncio.fixture(autouse=True)
async def me(client: Client) -> None:
    await fetch(client, workers.REGISTER, ME, "h", 1, "p", [QUEUE], 1, 1, "0", "3", "2")


async def decide(client: Client, came: Came, *, limit: tuple[int | None, int | None, float | None] = ONE) -> list[str]:
    """What becomes of jobs that came to a worker: "running" or "waiting"."""
    keys = sorted({key for _, key in came})
    ids = [job for job, _ in came]
    async with client.database.connection() as connection, connection.transaction():
        await connection.execute(limits.DEFINE, keys, *([value] * len(keys) for value in limit))
        await connection.execute(limits.TIDY, keys)
        rows = await connection.fetch(limits.GRANT, keys, ids, [0] * len(ids), [key for _, key in came], ME)
    states = {row["id"]: row["state"] for row in rows}
    return [states[job] for job in ids]


async def job(client: Client, name: str = "x", priority: int | None = None) -> uuid.UUID:
    return await enqueue_with(client, Options(priority=priority), broker.actors["limits_free"], name)


async def comes(client: Client, *jobs: uuid.UUID) -> list[str]:
    return await decide(client, [(job_id, "k") for job_id in jobs])


async def end(client: Client, job_id: uuid.UUID) -> None:
    """Its worker dies right after that."""
    await fetch(client, "update jobs set state = 'succeeded', outcome = 1, finished_at = now() where id = $1", job_id)


async def test_as_many_run_as_may_the_urgent_first_then_the_oldest(client: Client) -> None:
    jobs = [await job(client, priority=priority) for priority in (0, 5, -5, 0)]
    states = await decide(client, [(job_id, "k") for job_id in jobs], limit=(2, None, None))
    assert states == ["running", "waiting", "running", "waiting"]
    assert [(await row(client, job_id)).attempt for job_id in jobs] == [1, 0, 1, 0]


async def test_keys_do_not_wait_for_each_other(client: Client) -> None:
    jobs = [(await job(client), key) for key in ("a", "a", "b", "b")]
    assert await decide(client, jobs) == ["running", "waiting", "running", "waiting"]


async def test_forty_at_once_do_not_exceed_a_limit(client: Client) -> None:
    """Given forty workers that decide at once, each about a job of two keys, then three of each run, nobody has waited
    in a circle, and the others wait."""
    jobs = [(await job(client), key) for _ in range(40) for key in ("a", "b")]
    answers = await asyncio.gather(
        *(decide(client, jobs[n : n + 2] if n % 4 else jobs[n : n + 2][::-1], limit=(3, None, None))
          for n in range(0, 80, 2))
    )  # fmt: skip
    assert sum(answer.count("running") for answer in answers) == 6
    running = await fetch(client, "select key, count(*) as jobs from limit_grants group by key order by key")
    assert [tuple(found) for found in running] == [("a", 3), ("b", 3)]


async def test_a_newcomer_cannot_take_what_is_promised(client: Client) -> None:
    """Given a run that was handed on, then its job is queued at the front with a grant, and one that comes before it
    has reached a worker waits."""
    first, second, third = [await job(client) for _ in range(3)]
    assert await comes(client, first, second) == ["running", "waiting"]
    await client.outbox.drain()
    await end(client, first)
    await grants(client).hand_on(["k"])
    assert (await row(client, second)).state == "queued"
    assert (await waiting(client, QUEUE))[0].message_id == str(second)
    assert await comes(client, third) == ["waiting"]
    assert await comes(client, second) == ["running"]


async def test_a_promise_holds_for_half_a_minute(client: Client) -> None:
    first, second, third = [await job(client) for _ in range(3)]
    await comes(client, first, second)
    await end(client, first)
    await grants(client).hand_on(["k"])
    await fetch(client, "update limit_grants set granted_at = granted_at - interval '31 s'")
    assert await comes(client, third) == ["running"]
    assert await comes(client, second) == ["waiting"]


async def test_a_promise_to_a_job_that_was_cancelled_is_void(client: Client) -> None:
    first, second, third = [await job(client) for _ in range(3)]
    await comes(client, first, second)
    await end(client, first)
    await grants(client).hand_on(["k"])
    await fetch(client, "update jobs set state = 'cancelled', outcome = 3, finished_at = now() where id = $1", second)
    assert await comes(client, third) == ["running"]


async def test_who_waits_goes_before_a_newcomer(client: Client) -> None:
    """Given a run that ended without being handed on, when another job comes, then the older one gets it."""
    first, second, third = [await job(client) for _ in range(3)]
    await comes(client, first, second)
    await end(client, first)
    assert await comes(client, third) == ["waiting"]
    assert (await row(client, second)).state == "queued"


async def test_a_worker_that_dies_before_it_hands_on_is_made_up_for(client: Client) -> None:
    """Given a run that ended and whose worker handed nothing on, then within five seconds the limiter is due, and does
    it."""
    first, second = await job(client), await job(client)
    await comes(client, first, second)
    await end(client, first)
    assert await value(client, "select due_at <= now() + interval '5 s' from limits") is True
    await fetch(client, "update limits set due_at = now() + interval '1 h'")
    limiter = Limiter(client.database, grants(client))
    assert 0 < await limiter.run_once() <= 1
    assert (await row(client, second)).state == "waiting"
    await fetch(client, "update limits set due_at = now()")
    await limiter.run_once()
    assert (await row(client, second)).state == "queued"


async def test_whoever_ends_a_run_finds_those_who_wait(client: Client) -> None:
    first, second = await job(client), await job(client)
    await comes(client, first, second)
    await end(client, first)
    mine = grants(client)
    mine.freed(["k", "another"])
    await mine.drain()
    assert (await row(client, second)).state == "queued"


async def test_while_redis_is_away_the_next_one_is_left_to_the_relay(client: Client, settings: Settings) -> None:
    first, second = await job(client), await job(client)
    await comes(client, first, second)
    await end(client, first)
    async with Client.open(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})) as without_redis:
        await grants(without_redis).hand_on(["k"])
    handed_on = await row(client, second)
    assert (handed_on.state, handed_on.dispatched_at) == ("queued", None)


async def test_a_rate_says_when_the_next_may_start(client: Client) -> None:
    """Given two in an hour and three jobs, then two run, and the third is due when the first start is that old; once it
    is, and not before, it is handed on."""
    jobs = [(await job(client), "k") for _ in range(3)]
    assert await decide(client, jobs, limit=(None, 2, 3_600.0)) == ["running", "running", "waiting"]
    assert await value(client, "select due_at - (select started_at from limit_starts) = interval '1 h' from limits")
    await grants(client).hand_on(["k"])
    assert (await row(client, jobs[2][0])).state == "waiting"
    await fetch(client, "update limit_starts set started_at = started_at - interval '1 h'")
    await grants(client).hand_on(["k"])
    assert (await row(client, jobs[2][0])).state == "queued"


async def test_a_limit_that_is_gone_lets_all_go(client: Client) -> None:
    """Given jobs that wait for a limit, when a worker comes whose actor has none, then they are handed on."""
    jobs = [(await job(client), "k") for _ in range(5)]
    await decide(client, jobs[:4])
    await decide(client, jobs[4:], limit=(None, None, None))
    assert await value(client, "select count(*) from jobs where state = 'waiting'") == 0
    assert await value(client, "select due_at is null from limits") is True


async def test_keys_that_nobody_uses_are_forgotten(client: Client) -> None:
    """Given keys of two days ago, one with a run that still goes on, then the others are forgotten."""
    jobs = [(await job(client), key) for key in ("a", "b", "c")]
    await decide(client, jobs, limit=(1, 1, 60.0))
    await end(client, jobs[0][0])
    await end(client, jobs[2][0])
    await fetch(client, "update limits set used_at = now() - interval '2 d'")
    assert await value(client, limits.FORGET, "", 2) == "b"
    assert await value(client, limits.FORGET, "b", 2) == "c"
    assert await value(client, limits.FORGET, "c", 2) is None
    for table in ("limits", "limit_grants", "limit_starts"):
        assert [found["key"] for found in await fetch(client, f"select key from {table}")] == ["b"]


async def test_a_rescued_jobs_key_is_looked_at(client: Client) -> None:
    first, second = await job(client), await job(client)
    await comes(client, first, second)
    await fetch(client, limits.LOOK_AGAIN, [first])
    assert await value(client, "select due_at <= now() from limits") is True
