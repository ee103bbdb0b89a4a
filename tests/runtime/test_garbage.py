"""Whatever lies in a queue's list: it is put where people see it, and the worker and the jobs beside it go on."""

from typing import Any

import pytest

from runtime.client import Client
from services.jobs import call, enqueue_many
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import dead, ended, enqueue, fetch, nothing_left, put, put_message, value
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

GARBAGE = {
    "bytes": b"\x00\xff\xfe",
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "no fields": b"{}",
    "a field too many": b'{"queue_name":"q","actor_name":"echo_async","args":[],"kwargs":{},"options":{},"x":1}',
    "no actor": b'{"queue_name":"stage-async","args":[],"kwargs":{},"options":{},"message_id":"1"}',
    "args that are none": b'{"queue_name":"q","actor_name":"echo_async","args":7,"kwargs":{},"options":{}}',
    "kwargs that are none": b'{"queue_name":"q","actor_name":"echo_async","args":[],"kwargs":[],"options":{}}',
    "options that are none": b'{"queue_name":"q","actor_name":"echo_async","args":[],"kwargs":{},"options":null}',
    "an actor that is no name": b'{"queue_name":"q","actor_name":["a"],"args":[],"kwargs":{},"options":{}}',
    "half a surrogate pair": b'{"queue_name":"q","actor_name":"\\ud800","args":[],"kwargs":{},"options":{}}',
    "deep nesting": b"[" * 100_000,
}


@BOTH_KINDS
@pytest.mark.parametrize("what", GARBAGE)
async def test_what_is_no_message_becomes_a_dead_letter(client: Client, engine: Engine, kind: str, what: str) -> None:
    """Given something that cannot be read, then it is a dead letter, and the job behind it runs."""
    queue = f"stage-{kind}"
    garbage_id = await put(client, queue, GARBAGE[what])
    assert (await ended(client, await enqueue(client, job_of(kind, "echo"), 1))).state == "succeeded"
    assert await wait_for(lambda: dead(client, queue)) == [garbage_id.encode()]
    await nothing_left(client, queue)


@BOTH_KINDS
async def test_garbage_in_a_delay_queue_becomes_a_dead_letter(client: Client, engine: Engine, kind: str) -> None:
    """It is found among the dead letters of the queue itself, where dramatiq-dashboard shows them."""
    garbage_id = await put(client, f"stage-{kind}.DQ", b"{")
    assert await wait_for(lambda: dead(client, f"stage-{kind}")) == [garbage_id.encode()]


ODD_OPTIONS: dict[str, dict[str, Any]] = {
    "a time limit in words": {"time_limit": "soon"},
    "a time limit of none": {"time_limit": None},
    "retries in words": {"max_retries": "many"},
    "countless retries": {"max_retries": 2**40},
    "retries below none": {"max_retries": -5},
    "an attempt in words": {"attempt": "first"},
    "a far attempt": {"attempt": 2**40},
    "a far attempt back": {"attempt": -(2**40)},
    "a backoff in words": {"min_backoff": "a while", "max_backoff": []},
    "a plan in words": {"scheduled_at": "tomorrow"},
    "a plan that is none": {"scheduled_at": {"a": 1}},
    "an eta in words": {"eta": "later"},
    "a callback to nobody": {"on_success": "nobody", "on_failure": "nobody", "on_retry_exhausted": "nobody"},
    "a pipe to nowhere": {"pipe_target": {"x": 1}},
    "an age limit in words": {"max_age": "old"},
    "a NUL": {"note": "a\0b"},
}


@BOTH_KINDS
@pytest.mark.parametrize("what", ODD_OPTIONS)
async def test_a_message_with_odd_options_harms_nobody(client: Client, engine: Engine, kind: str, what: str) -> None:
    """Given a message whose options make no sense between two good ones, then the good ones run, and it does not stay
    in anybody's hands: it has run, failed, or become a dead letter."""
    queue = f"stage-{kind}"
    await put_message(client, queue, f"echo_{kind}", args=["before"])
    await put_message(client, queue, f"echo_{kind}", args=["odd"], options=ODD_OPTIONS[what])
    await put_message(client, queue, f"echo_{kind}", args=["after"])

    async def neighbours_ran() -> bool:
        found = await fetch(client, "select result #>> '{}' as result from jobs where state = 'succeeded'")
        return {"before", "after"} <= {each["result"] for each in found}

    await wait_for(neighbours_ran)
    await nothing_left(client, queue)
    assert await value(client, "select count(*) from jobs where state = 'running'") == 0


@BOTH_KINDS
async def test_arguments_that_do_not_fit_fail_the_job(client: Client, engine: Engine, kind: str) -> None:
    message_id = await put_message(client, f"stage-{kind}", f"echo_{kind}", args=[1, 2, 3], options={"max_retries": 0})
    await nothing_left(client, f"stage-{kind}")
    [job] = await fetch(client, "select state, error->>'type' as type from jobs where id = $1::uuid", message_id)
    assert tuple(job) == ("failed", "TypeError")


@BOTH_KINDS
async def test_a_message_that_cannot_be_stored_becomes_a_dead_letter(client: Client, engine: Engine, kind: str) -> None:
    """Given an actor's name with a NUL, which no text of PostgreSQL can hold, then the message is a dead letter."""
    await put_message(client, f"stage-{kind}", "ec\0ho")
    good = await enqueue(client, job_of(kind, "echo"), 1)
    assert (await ended(client, good)).state == "succeeded"
    assert len(await wait_for(lambda: dead(client, f"stage-{kind}"))) == 1


@BOTH_KINDS
async def test_a_message_in_the_wrong_list_harms_no_thread(client: Client, engine: Engine, kind: str) -> None:
    """Given messages that name a queue of which the worker has never heard, more than it has threads, then jobs after
    them still run."""
    for _ in range(8):
        await put_message(client, f"stage-{kind}", f"echo_{kind}", queue_name="elsewhere")
    job = await ended(client, await enqueue(client, job_of(kind, "echo"), 1))
    assert job.state == "succeeded"


async def test_an_id_without_a_message_is_passed_over(client: Client, engine: Engine) -> None:
    """Given ids in the list whose messages are gone, then the jobs behind them run."""
    await client.redis.rpush("dramatiq:stage-async", "0:0:gone", "gone", "")
    job = await ended(client, await enqueue(client, job_of("async", "echo"), 1))
    assert job.state == "succeeded"
    await nothing_left(client, "stage-async")


async def test_garbage_among_many_jobs_costs_none_of_them(client: Client, engine: Engine) -> None:
    async with client.session() as session:
        for number in range(10):
            await enqueue_many(session, [call(job_of("async", "echo"), number)] * 20)
            await put(client, "stage-async", b"{")
        await session.commit()

    async def done() -> bool:
        return bool(await value(client, "select count(*) = 200 from jobs where state = 'succeeded'"))

    await wait_for(done)
    await nothing_left(client, "stage-async")
    assert len(await dead(client, "stage-async")) == 10
