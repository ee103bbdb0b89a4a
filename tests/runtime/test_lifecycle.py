"""A job's whole life as its caller sees and steers it, through the services, on a real worker."""

import asyncio
import time
import uuid

from runtime.client import Client
from services import control, jobs, progress
from services.jobs import call
from tests.runtime.control_actors import broker
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import all_ended, effects, enqueue, enqueue_all, go, noted, notes, reaches, row, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

ITEMS = 1_000


async def act(client: Client, verb: control.Verb, job_id: uuid.UUID) -> None:
    async with client.session() as session:
        await control.act(session, verb, job_id, who="ada", reason="because")
        await session.commit()


async def said(client: Client, job_id: uuid.UUID) -> progress.Progress | None:
    async with client.session() as session:
        return await progress.get(session, job_id)


@BOTH_KINDS
async def test_from_its_creation_to_its_result(client: Client, engine: Engine, kind: str) -> None:
    """Given a job of 300 items that waits to be seen on its way, then it is seen queued, running, on its way, and at
    its end with its result."""
    async with client.session() as session:
        job_id = (await jobs.enqueue(session, broker.actors[f"loop_{kind}"], 300, 0.005, hold_at=290)).id
        assert (await jobs.get(session, job_id)).state == "queued"
        await session.commit()
    await reaches(client, job_id, "running")

    async def on_its_way() -> bool:
        told = await said(client, job_id)
        return told is not None and 0 < told.current < 300

    await wait_for(on_its_way, what="progress to be seen")
    await go(client, "loop")
    assert await jobs.wait(client, job_id, 60) == 300
    job, told = await row(client, job_id), await said(client, job_id)
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert told is not None
    assert (told.current, told.total, told.percent) == (300, 300, 100.0)


@BOTH_KINDS
async def test_a_thousand_items_paused_in_the_middle(client: Client, engine: Engine, kind: str) -> None:
    """Given 1,000 items whose writes are committed with the note that they are done, the last ones not before the job
    knows that it is to be paused, when it is paused in the middle and resumed, then every item is done, and none
    twice."""
    job_id = await enqueue(client, broker.actors[f"loop_{kind}"], ITEMS, 0.002, hold_at=ITEMS - 10)
    await noted(client, f"tried {ITEMS // 2 - 50}")
    await act(client, control.Verb.PAUSE, job_id)
    assert (await reaches(client, job_id, "paused", "succeeded")).state == "paused"
    done = len(await effects(client))
    assert ITEMS // 2 - 50 <= done < ITEMS
    await act(client, control.Verb.RESUME, job_id)
    assert await jobs.wait(client, job_id, 60) == ITEMS
    assert sorted(map(int, await effects(client))) == list(range(ITEMS))
    assert (await row(client, job_id)).attempt == 2


@BOTH_KINDS
async def test_without_transactions_an_interval_is_repeated_at_most(client: Client, engine: Engine, kind: str) -> None:
    job_id = await enqueue(client, broker.actors[f"loop_{kind}"], 200, 0.005, transactional=False, hold_at=190)
    await noted(client, "did 60")
    await act(client, control.Verb.PAUSE, job_id)
    await reaches(client, job_id, "paused")
    await act(client, control.Verb.RESUME, job_id)
    assert await jobs.wait(client, job_id, 60) == 200
    did = [int(line.split()[1]) for line in await notes(client) if line.startswith("did")]
    assert set(did) == set(range(200))
    assert len(did) <= 200 + 10


async def test_a_hundred_jobs_at_once(client: Client, engine: Engine) -> None:
    """Given 100 jobs that end only once all of them run, then all of them end."""
    await enqueue_all(client, [call(job_of("async", "meet"), "hundred", 100) for _ in range(100)])
    await all_ended(client, 100)
    assert await value(client, "select count(*) from jobs where state = 'succeeded' and attempt = 1") == 100


async def test_a_running_job_is_cancelled_at_once(client: Client, engine: Engine) -> None:
    """Given ten async jobs that wait, when they are cancelled one after the other, then each is told, and not found by
    the look a second that the worker has besides: most `finally` blocks have run within 200 ms of the call."""
    took = []
    for number in range(1, 11):
        job_id = await enqueue(client, broker.actors["patient_async"], 60)
        await noted(client, "waiting", times=number)
        called = time.monotonic()
        await act(client, control.Verb.CANCEL, job_id)
        await noted(client, "cleaned up", times=number)
        took.append(time.monotonic() - called)
        assert (await reaches(client, job_id, "cancelled")).error == {
            "type": "Cancelled",
            "message": "because (by ada)",
        }
    assert sorted(took)[4] < 0.5, took  # a look would take half a second on average; this machine may be busy


@BOTH_KINDS
async def test_a_pause_that_is_taken_back_in_time(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that is to be paused and is resumed before it comes to a point where it can be, then it does not stop
    for good, whichever comes first; it does not end before."""
    job_id = await enqueue(client, broker.actors[f"loop_{kind}"], 200, 0.01, hold_at=190)
    await noted(client, "tried 20")
    await act(client, control.Verb.PAUSE, job_id)
    await act(client, control.Verb.RESUME, job_id)
    await go(client, "loop")
    assert await jobs.wait(client, job_id, 60) == 200
    assert sorted(map(int, await effects(client))) == list(range(200))


async def test_many_are_cancelled_while_they_run(client: Client, engine: Engine) -> None:
    """Given 50 jobs that wait, when all are cancelled at once, then each runs its `finally` and ends as cancelled."""
    ids = await enqueue_all(client, [call(broker.actors["patient_async"], 60) for _ in range(50)])
    await noted(client, "waiting", times=50)
    await asyncio.gather(*(act(client, control.Verb.CANCEL, job_id) for job_id in ids))
    await all_ended(client, 50)
    assert await value(client, "select count(*) from jobs where state = 'cancelled'") == 50
    assert (await notes(client)).count("cleaned up") == 50
