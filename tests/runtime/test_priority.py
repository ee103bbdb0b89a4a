"""Priorities hold across a backlog: what is urgent does not wait for what is not."""

import statistics
from datetime import timedelta

import pytest

from runtime.client import Client
from services.jobs import Options, call
from tests.conftest import StartProcess
from tests.runtime.observing import ended, enqueue_all, enqueue_with, fetch, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


async def started_before(client: Client, low: str) -> list[int]:
    """For each urgent job: how many of the others have started between when it was due and when it started."""
    found = await fetch(
        client,
        "select (select count(*) from jobs low where low.actor = $1"
        "        and low.started_at > urgent.run_at and low.started_at < urgent.started_at) as number"
        " from jobs urgent where urgent.priority = -10",
        low,
    )
    return [each["number"] for each in found]


@pytest.mark.parametrize("delay", [None, timedelta(seconds=0.2)], ids=["sent at once", "sent by the relay"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_urgent_job_overtakes_ten_thousand(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, kind: str, delay: timedelta | None
) -> None:
    """Given 10,000 jobs waiting of which about 1,000 a second start, when urgent ones come in the middle of them, then
    half of the urgent ones at least start before 100 (1 %) more of the others have.

    Half of them: a stall of the machine that runs the tests may hit one.
    """
    await enqueue_all(client, [call(job_of(kind, "nap"))] * 10_000, priority=10)
    await worker("tests.runtime.some_actors", ASYNC_CONCURRENCY="20")
    await scheduler()

    async def in_the_middle() -> bool:
        return bool(await value(client, "select count(*) > 100 from jobs where started_at is not null"))

    await wait_for(in_the_middle)
    for _ in range(7):
        await ended(client, await enqueue_with(client, Options(priority=-10, delay=delay), job_of(kind, "echo")))

    assert statistics.median(await started_before(client, f"nap_{kind}")) <= 100
    assert await value(client, "select count(*) > 1000 from jobs where started_at is null"), "a backlog all the time"


async def test_a_level_is_worked_off_before_the_next(client: Client, stage: None, worker: StartProcess) -> None:
    """Given three levels enqueued in the wrong order, when one thread works them off, then the urgent run first."""
    for priority in (5, 0, -5):
        options = Options(priority=priority)
        for number in range(3):
            await enqueue_with(client, options, job_of("sync", "echo"), number)
    await client.outbox.drain()
    await worker("tests.runtime.some_actors", "--threads", "1")

    async def done() -> bool:
        return bool(await value(client, "select count(*) = 9 from jobs where outcome = 1"))

    await wait_for(done)
    order = await fetch(client, "select priority, (args->>0)::int from jobs order by started_at")
    assert [tuple(found) for found in order] == [(p, n) for p in (-5, 0, 5) for n in range(3)]
