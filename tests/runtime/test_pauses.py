"""Paused queues and actors: nothing of them starts, what was fetched goes back, what runs goes on."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from db import pauses as sql
from errors import Conflict
from runtime.client import Client
from scheduling.sweeper import Sweeper
from services import actors, queues, workers
from services.jobs import call
from services.pauses import Span
from tests.conftest import StartProcess
from tests.runtime.limited_actors import QUEUE, broker
from tests.runtime.observing import (
    all_ended,
    ended,
    enqueue,
    enqueue_all,
    fetch,
    go,
    noted,
    notes,
    reaches,
    value,
)  # fmt: skip
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.limited_actors"
WHY = {"who": "ada", "reason": "a deploy"}

Verb = Callable[..., Awaitable[object]]


async def do(client: Client, verb: Verb, name: str, **why: Any) -> None:
    async with client.session() as session:
        await verb(session, name, **why)
        await session.commit()


async def paused(client: Client, pause: Verb, name: str, workers: int = 1) -> None:
    """Pause it, and let all workers hear of it."""
    await do(client, pause, name, **WHY)
    await heard(client, workers)


async def heard(client: Client, workers: int = 1) -> None:
    """Let each of so many workers look at what is paused, which it does every second. Nobody is answered before all of
    them ask; who asks the second time has heard the first answer."""
    for _ in range(2):
        async with client.database.connection() as connection, connection.transaction():
            await connection.execute("lock table pauses in access exclusive mode")
            await wait_for(partial(_ask, client, workers), what=f"{workers} workers to ask what is paused")


async def _ask(client: Client, workers: int) -> bool:
    asking = "select count(*) = $1 from pg_stat_activity where wait_event_type = 'Lock' and query = $2"
    return bool(await value(client, asking, workers, sql.PAUSED))


async def free(client: Client, number: int) -> list[uuid.UUID]:
    return await enqueue_all(client, [call(broker.actors["limits_free"], str(n)) for n in range(number)])


async def elsewhere(client: Client) -> None:
    """A job of another queue runs: the workers are at work."""
    await ended(client, await enqueue(client, job_of("async", "echo")))


async def test_a_paused_queue_starts_nothing_until_it_goes_on(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given two workers, when a queue is paused and they have looked, as they do every second, then nothing of it
    starts; other queues go on; when it is resumed all of it runs."""
    await asyncio.gather(scheduler(), worker(ACTORS), worker(ACTORS))
    await paused(client, queues.pause, QUEUE, workers=2)
    await free(client, 20)
    await elsewhere(client)
    await worker(ACTORS)  # nor does a worker that comes now
    await elsewhere(client)
    assert await value(client, "select count(*) from jobs where queue = $1 and state = 'queued'", QUEUE) == 20
    await do(client, queues.resume, QUEUE, who="ada")
    await all_ended(client, 22)


async def time_comes(client: Client) -> datetime:
    """As if all pauses had been for no longer than until in a moment, which is returned."""
    until: datetime = await value(client, "select clock_timestamp() + interval '1 s'")
    await fetch(client, "update pauses set until = $1", until)
    return until


async def test_a_pause_is_over_when_its_time_has_come(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a queue and an actor that are paused for a time, then what waits for them runs once that is over, and not
    before; nobody had to do anything, and the audit says when."""
    await asyncio.gather(scheduler(), worker(ACTORS), worker(ACTORS))
    some_time = Span(lasts=timedelta(hours=1))
    await do(client, queues.pause, QUEUE, **WHY, span=some_time)
    await do(client, actors.pause, "limits_single", **WHY, span=some_time)
    await go(client, "all")
    await heard(client, workers=2)
    await free(client, 20)
    await elsewhere(client)
    await enqueue(client, broker.actors["limits_single"], "one")
    until = await time_comes(client)
    await all_ended(client, 22)
    since = "extract(epoch from min(started_at) - $1)::float8 from jobs where actor like 'limits_%'"
    assert await value(client, f"select {since}", until) >= 0

    async def written_down() -> bool:
        return bool(await value(client, "select count(*) = 2 from audit where who = 'scheduling'"))

    await wait_for(written_down, what="both ends in the audit")
    rows = await fetch(client, "select who, action, details->>'until' is not null as tells from audit order by action")
    assert [tuple(row) for row in rows] == [
        ("ada", "actor.pause", True), ("scheduling", "actor.resume", True),
        ("ada", "queue.pause", True), ("scheduling", "queue.resume", True),
    ]  # fmt: skip
    assert await value(client, "select count(*) from pauses") == 0


async def test_an_actor_goes_on_when_its_time_has_come(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given jobs that wait for an actor paused for a time, then they run once that is over."""
    await asyncio.gather(scheduler(), worker(ACTORS))
    await do(client, actors.pause, "limits_free", **WHY, span=Span(lasts=timedelta(hours=1)))
    await heard(client)
    held = await free(client, 5)
    for job_id in held:
        assert (await reaches(client, job_id, "waiting", "running", "succeeded")).state == "waiting"
    until = await time_comes(client)
    await all_ended(client, 5)
    assert await value(client, "select min(started_at) >= $1 from jobs", until)


async def test_a_pause_that_is_over_counts_for_nothing_though_its_row_is_there(client: Client) -> None:
    """Given pauses that are over, and no scheduler that ends them, then nothing is paused, resuming is refused, and
    pausing anew is not."""
    await fetch(
        client, "insert into pauses (kind, name, reason, paused_by, until)"
        " values ('queue', $1, 'x', 'y', now()), ('actor', 'limits_free', 'x', 'y', now())", QUEUE,
    )  # fmt: skip
    async with client.session() as session:
        assert not (await queues.get(session, QUEUE)).is_paused
        assert not (await actors.get(session, "limits_free")).is_paused
        with pytest.raises(Conflict, match="not paused"):
            await queues.resume(session, QUEUE, who="ada")
        await queues.pause(session, QUEUE, who="ada", reason="anew")
        assert (await queues.get(session, QUEUE)).reason == "anew"


async def test_what_was_fetched_goes_back_and_what_runs_goes_on(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a worker with one slot in use and more jobs in hand, when their queue is paused, then the one that runs
    goes on to its end, and the others are all queued, unstarted."""
    await scheduler()
    await worker(ACTORS, ASYNC_CONCURRENCY="1")
    running = await enqueue(client, broker.actors["limits_single"], "first")
    await noted(client, "first starts")
    others = await free(client, 10)
    await paused(client, queues.pause, QUEUE)
    await go(client, "all")
    assert (await ended(client, running)).state == "succeeded"
    await elsewhere(client)
    assert {(await reaches(client, job_id, "queued", "running")).state for job_id in others} == {"queued"}
    assert await notes(client) == ["first starts", "first ends"]
    await do(client, queues.resume, QUEUE, who="ada")
    await all_ended(client, 12)


async def test_a_paused_actors_jobs_wait_and_their_queue_goes_on(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a paused actor, then its jobs wait without attempt or message, those of others in the same queue run, and
    when it is resumed they run too."""
    await asyncio.gather(scheduler(), worker(ACTORS), worker(ACTORS))
    await paused(client, actors.pause, "limits_free", workers=2)
    held = await free(client, 5)
    await go(client, "all")
    await ended(client, await enqueue(client, broker.actors["limits_single"], "other"))
    for job_id in held:
        job = await reaches(client, job_id, "waiting", "running", "succeeded")
        assert (job.state, job.blocked_by, job.attempt) == ("waiting", "actor:limits_free", 0)
    await do(client, actors.resume, "limits_free", who="ada")
    await all_ended(client, 6)
    assert await value(client, "select max(attempt) from jobs") == 1


async def test_a_pause_is_found_without_being_told(client: Client, worker: StartProcess) -> None:
    """Given that Redis does not pass it on, then the workers find by themselves what is paused."""
    await worker(ACTORS)
    await fetch(client, "insert into pauses (kind, name, reason, paused_by) values ('actor', 'limits_free', 'x', 'y')")

    async def is_held() -> bool:
        (job_id,) = await free(client, 1)
        return (await reaches(client, job_id, "waiting", "succeeded")).state == "waiting"

    await wait_for(is_held, what="a job that is held")


async def drained(client: Client) -> uuid.UUID:
    """The only worker, told to take nothing more, and that has heard of it."""

    async def registered() -> list[workers.LivingWorker]:
        async with client.session() as session:
            return await workers.living(session)

    [alone] = await wait_for(registered, what="the worker's row")
    async with client.session() as session:
        await workers.drain(session, alone.id, **WHY)
        await session.commit()
    await heard(client)
    return alone.id


async def test_a_worker_that_drains_ends_what_it_runs_and_takes_nothing_more(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a worker that runs a job, when it is drained, then that job ends on it and others wait; when it is told to
    go on, it runs them."""
    await asyncio.gather(scheduler(), worker(ACTORS))
    running = await enqueue(client, broker.actors["limits_single"], "first")
    await noted(client, "first starts")
    alone = await drained(client)
    others = await free(client, 5)
    await go(client, "first")
    assert (await ended(client, running)).state == "succeeded"
    assert {(await reaches(client, job_id, "queued", "running")).state for job_id in others} == {"queued"}
    async with client.session() as session:
        await workers.go_on(session, alone, who="ada")
        await session.commit()
    await all_ended(client, 6)


async def test_others_run_what_a_drained_worker_does_not_take(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    await asyncio.gather(scheduler(), worker(ACTORS))
    alone = await drained(client)
    await worker(ACTORS)
    await free(client, 20)
    await all_ended(client, 20)
    assert await value(client, "select count(*) from jobs where worker = $1", alone) == 0


async def test_what_a_worker_that_is_gone_was_told_is_forgotten(client: Client) -> None:
    """Given a worker that lives and one that is gone, both drained hours ago, then only the first still is."""
    await fetch(
        client, "insert into workers (id, host, pid, process, queues, async_slots, threads, version)"
        " values (gen_random_uuid(), 'here', 1, 'here:1', '{}', 1, 1, '1')",
    )  # fmt: skip
    await fetch(
        client, "insert into pauses (kind, name, reason, paused_by, paused_at) select 'worker', name, 'x', 'ada',"
        " now() - interval '2 hours' from unnest(array['here:1', 'gone:1']) name",
    )  # fmt: skip
    await Sweeper(client.database).run_once()
    assert await value(client, "select array_agg(name) from pauses") == ["here:1"]
