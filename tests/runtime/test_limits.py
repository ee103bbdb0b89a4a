"""Time limits: a job that runs too long is interrupted in time, and fails like any other."""

import time

from runtime.client import Client
from services.jobs import Options
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import all_ended, attempts, ended, enqueue, enqueue_with, notes
from tests.runtime.some_actors import job_of, wait_in_its_way


@BOTH_KINDS
async def test_a_job_over_its_time_limit_is_interrupted_tried_again_and_fails(
    client: Client, engine: Engine, kind: str
) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "overrun")))
    assert (job.state, job.attempt) == ("failed", 2)
    assert [a.error_type for a in await attempts(client, job.id)] == ["TimeLimitExceeded"] * 2


async def test_an_async_job_is_interrupted_within_a_tenth_of_a_second(client: Client, engine: Engine) -> None:
    """Given a limit of 0.3 s, when ten jobs overrun it, then half of them at least were ended before 0.4 s, or as soon
    after a timer of 0.3 s on their loop, should that be late itself.

    Half of them: the machine that runs the tests may stall.
    """
    for _ in range(5):
        await ended(client, await enqueue(client, job_of("async", "overrun")))
    assert min(map(float, await notes(client))) >= 0.29
    late = sorted([float(seconds) for seconds in await client.redis.lrange("stage:late", 0, -1)])
    assert len(late) == 10
    assert late[len(late) // 2] <= 0.1, late


async def test_a_sync_job_is_interrupted_soon(client: Client, engine: Engine) -> None:
    await ended(client, await enqueue(client, job_of("sync", "overrun")))
    took = sorted(map(float, await notes(client)))
    assert 0.29 <= took[0] <= 30


@BOTH_KINDS
async def test_the_jobs_own_time_limit_goes_before_its_actors(client: Client, engine: Engine, kind: str) -> None:
    """Given an actor whose limit is 0.3 s, when a job of it has 1 s, then it runs for about that."""
    options = Options(time_limit=1_000, max_retries=0)
    await ended(client, await enqueue_with(client, options, job_of(kind, "overrun")))
    [took] = map(float, await notes(client))
    assert 0.95 <= took <= 30


async def test_a_time_limit_is_told_from_a_cancellation_however_the_job_waits(client: Client, engine: Engine) -> None:
    """Given a job that turns the cancellation into its own, then it is still the time limit that it failed by."""
    options = Options(time_limit=200, max_retries=0)
    job = await ended(client, await enqueue_with(client, options, wait_in_its_way, "anew", "never"))
    assert job.error is not None
    assert job.error["type"] == "TimeLimitExceeded"


@BOTH_KINDS
async def test_what_a_time_limit_interrupts_gives_its_place_back(client: Client, engine: Engine, kind: str) -> None:
    """Given four threads, when eight jobs overrun, then the next job still finds one."""
    for _ in range(8):
        await enqueue_with(client, Options(max_retries=0), job_of(kind, "overrun"))
    start = time.monotonic()
    assert (await ended(client, await enqueue(client, job_of(kind, "echo"), 1))).state == "succeeded"
    assert time.monotonic() - start < 30
    await all_ended(client, 9)
