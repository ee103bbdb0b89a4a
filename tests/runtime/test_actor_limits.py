"""Concurrency and rates of actors, kept by all workers together."""

import asyncio
import itertools

import pytest

from runtime.client import Client
from services.jobs import Options, call
from tests.conftest import StartProcess
from tests.runtime.limited_actors import QUEUE, broker
from tests.runtime.observing import (
    all_ended,
    ended,
    enqueue,
    enqueue_all,
    enqueue_with,
    fetch,
    go,
    lease_runs_out,
    noted,
    notes,
    reaches,
    value,
    waiting,
)  # fmt: skip

ACTORS = "tests.runtime.limited_actors"
KEYS = ["red", "green", "blue"]


async def most_at_once(client: Client, key: str) -> int:
    return max(int(count) for count in await client.redis.lrange(f"stage:counts:{key}", 0, -1))


async def test_four_workers_keep_one_limit(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given jobs of three keys with two at once, async and sync ones, then over four workers no key ever has three,
    each key has had two, and nobody has used an attempt for waiting."""
    await asyncio.gather(scheduler(), *(worker(ACTORS) for _ in range(4)))
    calls = [
        call(broker.actors[f"limits_pair_{kind}"], f"{kind} {key}")
        for _ in range(40) for key in KEYS for kind in ("async", "sync")
    ]  # fmt: skip
    await enqueue_all(client, calls)
    await all_ended(client, 240)
    assert {await most_at_once(client, f"{kind} {key}") for kind in ("async", "sync") for key in KEYS} == {2}
    assert await value(client, "select count(*) from jobs where state = 'succeeded' and attempt = 1") == 240


async def test_who_waits_takes_nothing(client: Client, worker: StartProcess) -> None:
    """Given a worker with room for one async job and a limited job behind its like, then that waits without attempt,
    worker or message, and the slot is another job's."""
    await worker(ACTORS, ASYNC_CONCURRENCY="2")
    await enqueue(client, broker.actors["limits_single"], "first")
    await noted(client, "first starts")
    second = await enqueue(client, broker.actors["limits_single"], "second")
    job = await reaches(client, second, "waiting")
    assert (job.blocked_by, job.attempt, job.worker, job.dispatched_at) == ("limit:limits_single", 0, None, None)
    await ended(client, await enqueue(client, broker.actors["limits_free"], "other"))
    assert await waiting(client, QUEUE) == []
    await go(client, "all")
    assert (await ended(client, second)).attempt == 1


async def test_a_slot_is_handed_on_by_the_worker_that_leaves_it(client: Client, worker: StartProcess) -> None:
    """Given no scheduler that could look for those who wait, then they run all the same, one after the other, the
    urgent first and then the oldest."""
    await worker(ACTORS)
    first = await enqueue(client, broker.actors["limits_single"], "first")
    await noted(client, "first starts")
    others = {
        name: await enqueue_with(client, Options(priority=priority), broker.actors["limits_single"], name)
        for name, priority in (("b", 0), ("c", 5), ("a", -5), ("d", 5))
    }
    for job_id in others.values():
        await reaches(client, job_id, "waiting")
    await go(client, "all")
    for job_id in (first, *others.values()):
        await ended(client, job_id)
    assert await notes(client) == [f"{name} {verb}" for name in ("first", *"abcd") for verb in ("starts", "ends")]


async def test_it_is_handed_on_at_once(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given twenty that wait for one another, then the next one mostly starts soon: by itself nobody looks within five
    seconds."""
    await scheduler()
    await worker(ACTORS)
    await go(client, "all")
    await enqueue_all(client, [call(broker.actors["limits_single"], str(number)) for number in range(20)])
    await all_ended(client, 20)
    gaps = await fetch(
        client,
        "select extract(epoch from started_at - lag(finished_at) over (order by started_at))::float8 as gap from jobs",
    )
    seconds = sorted(row["gap"] for row in gaps if row["gap"] is not None)
    assert seconds[0] >= 0
    assert seconds[len(seconds) // 2] < 2.5


async def test_a_retry_waits_like_the_others(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given limited jobs that fail and are tried again, then each gets its attempts, and no run overlaps."""
    await scheduler()
    await worker(ACTORS)
    await enqueue_all(client, [call(broker.actors["limits_unlucky"], name) for name in "abc"])
    await all_ended(client, 3)
    assert sorted(await notes(client)) == sorted("abc" * 3)
    runs = await fetch(client, "select started_at, ended_at from job_attempts order by started_at")
    assert all(before["ended_at"] <= after["started_at"] for before, after in itertools.pairwise(runs))


async def test_a_dead_workers_slot_is_free_after_the_rescue(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a worker that is killed in a limited job, then another worker runs that and the one that waited, each
    alone."""
    await scheduler()
    doomed = await worker(ACTORS)
    first = await enqueue(client, broker.actors["limits_single"], "first")
    await noted(client, "first starts")
    second = await enqueue(client, broker.actors["limits_single"], "second")
    await reaches(client, second, "waiting")
    doomed.kill()
    await lease_runs_out(client)
    await worker(ACTORS)
    await go(client, "all")
    assert (await ended(client, first)).attempt == 2
    assert (await ended(client, second)).attempt == 1
    lines = await notes(client)
    assert lines[1:] in (
        ["first starts", "first ends", "second starts", "second ends"],
        ["second starts", "second ends", "first starts", "first ends"],
    )


@pytest.mark.parametrize("name", ["limits_crowd_at_once", "limits_crowd_a_day"])
async def test_a_crowd_of_one_key_does_not_starve_others(
    client: Client, worker: StartProcess, scheduler: StartProcess, name: str
) -> None:
    """Given 500 jobs of one key of which a single one may run, and behind them one of each of 40 other keys, then all
    the others run while 499 still wait; and when there is room again, the crowd goes on in its order."""
    actor = broker.actors[name]
    crowd = sorted(await enqueue_all(client, [call(actor, "crowd")] * 500))
    others = await enqueue_all(client, [call(actor, f"other {n}") for n in range(40)])
    await asyncio.gather(scheduler(), worker(ACTORS, ASYNC_CONCURRENCY="10"))
    for job_id in others:
        await ended(client, job_id)
    assert await value(client, "select count(*) from jobs where args->>0 = 'crowd' and attempt > 0") == 1
    assert (await notes(client)).count("crowd") == 1

    await go(client, "crowd")
    if name == "limits_crowd_at_once":
        await ended(client, crowd[20])
        assert await value(client, "select count(*) from jobs where state = 'succeeded' and id < $1", crowd[20]) >= 20


async def test_a_rate_holds_in_every_period(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given five a second, two workers and seventeen jobs of each of two keys, then no second, however placed, has six
    starts of a key; and they need not wait much longer than they must."""
    await asyncio.gather(scheduler(), worker(ACTORS), worker(ACTORS))
    await enqueue_all(client, [call(broker.actors["limits_rated"], key) for _ in range(17) for key in ("x", "y")])
    await all_ended(client, 34)
    for key in ("x", "y"):
        rows = await fetch(client, "select started_at from jobs where args->>0 = $1 order by started_at", key)
        starts = [row["started_at"].timestamp() for row in rows]
        assert min(later - earlier for earlier, later in zip(starts, starts[5:], strict=False)) >= 0.9999
        assert starts[-1] - starts[0] < 30


async def test_a_slow_rate_is_no_busy_loop(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given one a day and three jobs, then one runs, and the others are next looked at in a day."""
    await scheduler()
    await worker(ACTORS)
    await enqueue_all(client, [call(broker.actors["limits_daily"]) for _ in range(3)])
    await wait_until_one_ran(client)
    due = await value(client, "select extract(epoch from due_at - now())::float8 from limits")
    assert 86_000 < due <= 86_400


async def wait_until_one_ran(client: Client) -> None:
    for job in await fetch(client, "select id from jobs"):
        await reaches(client, job["id"], "waiting", "succeeded")
    counts = await fetch(client, "select state, count(*) as jobs from jobs group by state order by state")
    assert [(row["state"], row["jobs"]) for row in counts] == [("succeeded", 1), ("waiting", 2)]
