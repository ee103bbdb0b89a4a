"""Jobs that are only worth starting in time, and those that wait for a moment of quiet."""

from datetime import timedelta

import pytest

from runtime.client import Client
from scheduling.sweeper import Sweeper
from services.jobs import Options
from tests.conftest import StartProcess
from tests.runtime.limited_actors import QUEUE, broker
from tests.runtime.observing import (
    ended,
    enqueue,
    enqueue_with,
    fetch,
    notes,
    nothing_left,
    put_message,
    reaches,
    row,
    value,
)  # fmt: skip
from tests.runtime.some_actors import job_of

ACTORS = "tests.runtime.limited_actors"
HOUR = timedelta(hours=1)
LATE = "update jobs set expires_at = now() - interval '1 ms'"


async def test_an_expired_job_is_never_started(client: Client, worker: StartProcess) -> None:
    """Given a message whose job has expired, limited or not, then a worker drops it, and the sweep cancels the job."""
    plain = await enqueue_with(client, Options(expires=HOUR), broker.actors["limits_free"], "late")
    limited = await enqueue_with(client, Options(expires=HOUR), broker.actors["limits_single"], "late")
    await fetch(client, LATE)
    await client.outbox.drain()
    await worker(ACTORS)
    await nothing_left(client, QUEUE)
    for job_id in (plain, limited):
        assert ((await row(client, job_id)).state, (await row(client, job_id)).attempt) == ("queued", 0)
    await Sweeper(client.database).run_once()
    for job_id in (plain, limited):
        job = await row(client, job_id)
        assert (job.state, job.attempt) == ("cancelled", 0)
        assert job.error is not None
        assert job.error["type"] == "Expired"
        assert job.error["message"].startswith("expired: it was to start by 20")
    assert await notes(client) == []


async def test_the_scheduler_sweeps(client: Client, scheduler: StartProcess) -> None:
    job_id = await enqueue_with(client, Options(delay=HOUR, expires=HOUR), broker.actors["limits_free"], "late")
    await fetch(client, LATE)
    await scheduler()
    assert (await ended(client, job_id)).state == "cancelled"


@pytest.mark.parametrize("state", ["waiting", "queued", "paused", "running"])
async def test_only_those_that_nobody_has_started_or_paused_expire(client: Client, state: str) -> None:
    job_id = await enqueue_with(client, Options(expires=HOUR), broker.actors["limits_free"], "late")
    await fetch(client, LATE)
    await fetch(
        client, "update jobs set state = $1, worker = case when $1 = 'running' then id end,"
        " started_at = case when $1 = 'running' then now() end", state,
    )  # fmt: skip
    await Sweeper(client.database).run_once()
    assert (await row(client, job_id)).state == ("cancelled" if state in ("waiting", "queued") else state)


async def test_a_job_that_started_in_time_may_be_tried_again_later(client: Client) -> None:
    job_id = await enqueue_with(client, Options(expires=HOUR), broker.actors["limits_free"], "late")
    await fetch(client, "update jobs set attempt = 1, started_at = now(), expires_at = now() - interval '1 ms'")
    await Sweeper(client.database).run_once()
    assert (await row(client, job_id)).state == "queued"


async def test_the_actor_says_how_long_unless_the_caller_does(client: Client) -> None:
    actor = broker.actors["limits_soon"]
    declared = await row(client, await enqueue(client, actor))
    asked = await row(client, await enqueue_with(client, Options(expires=HOUR, delay=HOUR), actor))
    assert declared.expires_at is not None
    assert asked.expires_at is not None
    assert declared.expires_at - declared.run_at == timedelta(minutes=5)
    assert asked.expires_at - asked.run_at == HOUR


async def test_what_another_program_sends_expires_as_declared(client: Client, worker: StartProcess) -> None:
    await worker(ACTORS)
    await put_message(client, QUEUE, "limits_soon")
    await nothing_left(client, QUEUE)
    assert await value(client, "select expires_at - run_at from jobs") == timedelta(minutes=5)


async def test_a_debounced_job_runs_once_with_the_last_arguments(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given five calls within the time of quiet, when that is over, then one job runs, with the arguments of the
    last."""
    await scheduler()
    await worker(ACTORS)
    options = Options(unique_key="typing", debounce=HOUR)
    ids = {await enqueue_with(client, options, job_of("async", "echo"), text) for text in ("h", "he", "hel", "hell")}
    ids.add(await enqueue_with(client, options, job_of("async", "echo"), "hello"))
    (job_id,) = ids
    assert (await row(client, job_id)).attempt == 0
    await fetch(client, "update jobs set run_at = now()")
    assert (await ended(client, job_id)).result == "hello"
    assert await value(client, "select count(*) from jobs") == 1


async def test_a_unique_key_is_free_while_its_job_runs(client: Client, worker: StartProcess) -> None:
    """Given a job unique until it has started, once it runs its key makes another."""
    await worker(ACTORS)
    options = Options(unique_key="once", unique_until="started")
    first = await enqueue_with(client, options, broker.actors["limits_single"], "first")
    await reaches(client, first, "running")
    second = await enqueue_with(client, options, broker.actors["limits_single"], "second")
    assert second != first
    await reaches(client, second, "waiting")
    assert await enqueue_with(client, options, broker.actors["limits_single"], "third") == second
