"""Waiting for a job: its result or its error, told and not polled."""

import asyncio
import uuid

import pytest

from errors import JobCancelled, JobFailed, NotEnded, NotFound
from runtime import endings
from runtime.client import Client
from services import control, jobs
from services.jobs import Options
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import enqueue, enqueue_with, fetch, go, noted
from tests.runtime.some_actors import job_of

LIMIT = 60


@BOTH_KINDS
async def test_its_result_is_returned(client: Client, engine: Engine, kind: str) -> None:
    assert await jobs.wait(client, await enqueue(client, job_of(kind, "echo"), [1, {"a": None}]), LIMIT) == [
        1,
        {"a": None},
    ]


@BOTH_KINDS
async def test_the_result_of_a_job_that_ends_itself_is_returned(client: Client, engine: Engine, kind: str) -> None:
    """Given an actor whose own transaction ends the job before its result is known, then it is waited for too."""
    assert await jobs.wait(client, await enqueue(client, job_of(kind, "act"), "x"), LIMIT) == "x done"


@BOTH_KINDS
async def test_its_error_is_raised(client: Client, engine: Engine, kind: str) -> None:
    job_id = await enqueue_with(client, Options(max_retries=1), job_of(kind, "fail"), 9)
    with pytest.raises(JobFailed, match=r"Unlucky: not yet \(2\)") as failed:
        await jobs.wait(client, job_id, LIMIT)
    assert (failed.value.job_id, failed.value.type, failed.value.text) == (job_id, "Unlucky", "not yet (2)")


async def test_many_wait_and_each_gets_its_own(client: Client, engine: Engine) -> None:
    """Given 100 jobs that run at once, and somebody who waits for each, then everybody gets the right result, over one
    subscription."""
    ids = [await enqueue(client, job_of("async", "meet"), "all", 100) for _ in range(100)]
    assert await asyncio.gather(*(jobs.wait(client, job_id, LIMIT) for job_id in ids)) == [str(each) for each in ids]
    assert (await client.redis.pubsub_numsub("dramatiq:ended"))[0][1] <= 1


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits looks by itself once an hour, and not every second."""
    monkeypatch.setattr(endings, "_EVERY", 3_600.0)


@pytest.mark.usefixtures("seldom")
async def test_who_waits_is_told(client: Client, engine: Engine) -> None:
    """Given ten jobs that are let go one after the other, then the ends are known though nobody looks."""
    for number in range(10):
        job_id = await enqueue(client, job_of("async", "hold"), f"k{number}")
        waiting = asyncio.create_task(jobs.wait(client, job_id, LIMIT))
        await noted(client, f"k{number} started")
        await go(client, f"k{number}")
        assert await waiting == "held"


@pytest.mark.usefixtures("seldom")
async def test_a_job_that_returns_nothing_is_known_to_be_over_at_once(client: Client, engine: Engine) -> None:
    """Not only by the look a second later, which takes what has no result for something that may get one."""
    for _ in range(3):
        job_id = await enqueue(client, job_of("async", "echo"))
        assert await jobs.wait(client, job_id, LIMIT) is None
        assert await fetch(client, "select 1 from jobs where id = $1 and result::text = 'null'", job_id)


async def test_a_job_that_has_ended_is_not_waited_for(client: Client, engine: Engine) -> None:
    job_id = await enqueue(client, job_of("async", "echo"), 1)
    await jobs.wait(client, job_id, LIMIT)
    assert await jobs.wait(client, job_id, LIMIT) == 1


async def test_the_end_is_found_without_being_told(client: Client) -> None:
    """Given a job whose end nobody tells of, as the rescuer's, then the look finds it."""
    job_id = await enqueue(client, job_of("async", "echo"), 1)
    waiting = asyncio.create_task(jobs.wait(client, job_id, LIMIT))
    await fetch(
        client,
        "update jobs set state = 'failed', outcome = 2, finished_at = now(),"
        """ error = '{"type": "WorkerDied", "message": "x"}' where id = $1""",
        job_id,
    )
    with pytest.raises(JobFailed, match="WorkerDied"):
        await waiting


async def test_a_cancelled_job_ends_the_wait(client: Client) -> None:
    job_id = await enqueue(client, job_of("async", "echo"), 1)
    waiting = asyncio.create_task(jobs.wait(client, job_id, LIMIT))
    async with client.session() as session:
        await control.cancel(session, job_id, who="ada", reason="enough")
        await session.commit()
    with pytest.raises(JobCancelled) as cancelled:
        await waiting
    assert cancelled.value.reason == "enough (by ada)"


async def test_a_wait_has_an_end(client: Client) -> None:
    job_id = await enqueue(client, job_of("async", "echo"), 1)
    with pytest.raises(NotEnded, match=r"has not ended within 0\.05 s; it goes on"):
        await jobs.wait(client, job_id, 0.05)
    async with client.session() as session:
        with pytest.raises(NotEnded, match="is queued: it has no result yet"):
            await jobs.result(session, job_id)


async def test_what_does_not_exist_is_not_waited_for(client: Client) -> None:
    with pytest.raises(NotFound):
        await jobs.wait(client, uuid.uuid4(), LIMIT)
