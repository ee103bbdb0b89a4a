"""Cancelling and pausing what runs."""

import uuid

import pytest

from db import control
from runtime.client import Client
from runtime.transport import CONTROL
from services.jobs import Options
from tests.runtime.control_actors import broker
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import effects, ended, enqueue, enqueue_with, fetch, noted, notes, reaches, value


async def wish(client: Client, job_id: uuid.UUID, what: str) -> None:
    """Write down what somebody wants of a run, and say so."""
    await fetch(client, "update jobs set control = $2, control_reason = 'enough' where id = $1", job_id, what)
    await client.redis.publish(CONTROL, "")


@BOTH_KINDS
async def test_a_running_job_is_cancelled(client: Client, engine: Engine, kind: str) -> None:
    """Given a job in the middle of its work, when somebody cancels it, then its `finally` runs and it ends so."""
    job_id = await enqueue(client, broker.actors[f"patient_{kind}"], 60)
    await noted(client, "waiting")
    await wish(client, job_id, "cancel")
    job = await ended(client, job_id)
    assert (job.state, job.error, job.control) == ("cancelled", {"type": "Cancelled", "message": "enough"}, None)
    assert await notes(client) == ["waiting", "cleaned up"]


async def test_a_job_that_loses_its_cancellation_is_cancelled_again(client: Client, engine: Engine) -> None:
    job_id = await enqueue(client, broker.actors["mishear_async"])
    await noted(client, "waiting")
    await wish(client, job_id, "cancel")
    assert (await ended(client, job_id)).state == "cancelled"


async def test_a_job_out_of_time_that_loses_its_cancellation_is_cancelled_again(client: Client, engine: Engine) -> None:
    job = await ended(client, await enqueue_with(client, Options(time_limit=200), broker.actors["mishear_async"]))
    assert (job.state, (job.error or {})["type"]) == ("failed", "TimeLimitExceeded")


async def test_a_wish_is_found_without_being_told(client: Client, engine: Engine) -> None:
    """Given that Redis does not pass it on, then the worker finds by itself what is wanted."""
    job_id = await enqueue(client, broker.actors["patient_async"], 60)
    await noted(client, "waiting")
    await fetch(client, "update jobs set control = 'cancel' where id = $1", job_id)
    assert (await ended(client, job_id)).state == "cancelled"


@BOTH_KINDS
async def test_a_job_cancels_itself(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, broker.actors[f"withdraw_{kind}"], "withdrawn"))
    assert (job.state, job.attempt, job.error) == ("cancelled", 1, {"type": "Cancelled", "message": "withdrawn"})
    assert await value(client, "select count(*) from job_attempts") == 0


@BOTH_KINDS
async def test_a_snoozed_job_uses_no_attempt(client: Client, engine: Engine, kind: str) -> None:
    """Given a job without retries that snoozes three times, then it runs a fourth time and succeeds."""
    job_id = await enqueue_with(client, Options(max_retries=0), broker.actors[f"snooze_{kind}"], 3)
    job = await ended(client, job_id)
    assert (job.state, job.result, job.releases) == ("succeeded", 4, 3)
    assert await value(client, "select count(*) from job_attempts") == 0


@BOTH_KINDS
@pytest.mark.parametrize("key", [False, True], ids=["by index", "by key"])
async def test_a_paused_loop_goes_on_where_it_stopped(client: Client, engine: Engine, kind: str, key: bool) -> None:
    """Given a loop over 300 items that does not come to its end before it knows that it is to be paused, when it is
    paused in the middle and resumed, then it gives its slot back meanwhile, and every item is done once; none is even
    tried twice."""
    job_id = await enqueue(client, broker.actors[f"loop_{kind}"], 300, 0.003, key=key, hold_at=290)
    await noted(client, "tried 40")
    await wish(client, job_id, "pause")
    paused = await reaches(client, job_id, "paused", "succeeded")
    assert (paused.state, paused.worker, paused.control) == ("paused", None, None)
    before = await effects(client)
    assert 40 <= len(before) < 300
    await fetch(client, control.RESUME, [job_id])
    job = await ended(client, job_id)
    assert (job.state, job.result, job.attempt) == ("succeeded", 300, 2)
    assert sorted(map(int, await effects(client))) == list(range(300))
    assert await notes(client) == [f"tried {item}" for item in range(300)]


@BOTH_KINDS
async def test_a_wish_outlives_the_run(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that is to be paused and fails before it comes to a point where it can be, then it is not tried
    again but paused; and one that is to be cancelled is cancelled."""
    for wanted, state in (("pause", "paused"), ("cancel", "cancelled")):
        job_id = await enqueue_with(client, Options(max_retries=5), broker.actors[f"fail_when_told_{kind}"], wanted)
        await noted(client, f"ready {wanted}")
        await fetch(client, "update jobs set control = $2, control_reason = 'x' where id = $1", job_id, wanted)
        await client.redis.set(f"stage:go:{wanted}", "1")
        assert (await reaches(client, job_id, "paused", "cancelled", "failed", "succeeded")).state == state
