"""Priorities hold across a backlog: what is urgent does not wait for what is not."""

import statistics
from datetime import timedelta
from typing import Any

import pytest
from dramatiq import Actor

from runtime.client import Client
from services.jobs import Options, call
from tests.conftest import StartProcess
from tests.runtime.observing import all_ended, ended, enqueue_all, enqueue_with, fetch, notes, relaying, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for


async def around(client: Client, low: str) -> tuple[list[int], list[int]]:
    """For each urgent job: how many of the others have started between when it was due and when it started; and how
    many had not by then."""
    found = await fetch(
        client,
        "select count(*) filter (where low.started_at > urgent.run_at and low.started_at < urgent.started_at) as before"
        ", count(*) filter (where low.started_at is null or low.started_at > urgent.started_at) as after"
        " from jobs urgent cross join jobs low where urgent.priority = -10 and low.actor = $1 group by urgent.id",
        low,
    )
    return [each["before"] for each in found], [each["after"] for each in found]


async def fill(client: Client, kind: str) -> None:
    """There are more than 5,000 that have not started."""
    if await value(client, "select count(*) < 5000 from jobs where started_at is null"):
        await enqueue_all(client, [call(job_of(kind, "nap"))] * 5_000, priority=10)


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
        await fill(client, kind)
        await ended(client, await enqueue_with(client, Options(priority=-10, delay=delay), job_of(kind, "echo")))

    before, after = await around(client, f"nap_{kind}")
    assert statistics.median(before) <= 100
    assert statistics.median(after) > 1_000, "a backlog all the time"


LEVELS = (5, 0, -5)


async def enqueue_levels(client: Client, actor: Actor[Any, Any], number: int) -> None:
    """The least urgent first; each says its priority and its place in it."""
    for priority in LEVELS:
        await enqueue_all(client, [call(actor, f"{priority} {place:03}") for place in range(number)], priority=priority)
    await client.outbox.drain()


async def ran_at_once(client: Client) -> list[str]:
    """What was said, in its order, but by jobs that a stalled worker has given back: those come later."""
    given_back = [row["line"] for row in await fetch(client, "select args->>0 as line from jobs where releases > 0")]
    return [line for line in await notes(client) if line not in given_back]


async def test_a_level_is_worked_off_before_the_next(client: Client, stage: None, worker: StartProcess) -> None:
    """Given three levels enqueued in the wrong order, when one thread works them off, then the urgent run first, and of
    equals the oldest."""
    await enqueue_levels(client, job_of("sync", "say"), 3)
    await worker("tests.runtime.some_actors", "--threads", "1")
    async with relaying(client):
        await all_ended(client, 9)
    said = await ran_at_once(client)
    assert said == sorted(said, key=lambda line: (int(line.split()[0]), line))


async def test_levels_hold_where_two_kinds_share_a_queue(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a queue of which a worker holds some messages until a thread is free, then none of a later level overtakes
    them."""
    await enqueue_levels(client, job_of("sync", "mixed_say"), 30)
    await worker("tests.runtime.some_actors", "--threads", "1")
    async with relaying(client):
        await all_ended(client, 90)
    said = [int(line.split()[0]) for line in await ran_at_once(client)]
    assert said == sorted(said)
