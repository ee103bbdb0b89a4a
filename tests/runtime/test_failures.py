"""Failures: what is tried again, when, for how long, and what is kept of each."""

from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest

from runtime.client import Client
from services.jobs import Options
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    attempts,
    dead,
    ended,
    enqueue,
    enqueue_with,
    fetch,
    noted,
    notes,
    reaches,
    row,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

pytestmark = BOTH_KINDS


async def test_a_failed_job_is_tried_again_until_it_succeeds(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "fail"), 2))
    assert (job.state, job.attempt, job.result) == ("succeeded", 3, 3)
    assert await notes(client) == ["attempt 1", "attempt 2", "attempt 3"]


async def test_every_failed_attempt_is_kept_the_last_included(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that fails three times, the last time for good, then each failure can be read in full."""
    job = await ended(client, await enqueue(client, job_of(kind, "fail"), 9, "no luck"))

    assert (job.state, job.attempt, job.outcome) == ("failed", 3, 2)
    assert job.error == {"type": "Unlucky", "message": "no luck (3)"}
    kept = await attempts(client, job.id)
    assert [(a.attempt, a.error_type, a.error_message) for a in kept] == [
        (n, "Unlucky", f"no luck ({n})") for n in (1, 2, 3)
    ]
    assert {a.worker for a in kept} == {job.worker}
    for earlier, later in pairwise(kept):
        assert earlier.started_at <= earlier.ended_at <= later.started_at
    for attempt in kept:
        assert attempt.traceback.startswith("Traceback (most recent call last):\n")
        assert 'raise Unlucky(f"{message} ({attempt})")' in attempt.traceback
        assert attempt.traceback.endswith(f"Unlucky: no luck ({attempt.attempt})\n")


async def test_a_job_that_failed_for_good_is_a_dead_letter(client: Client, engine: Engine, kind: str) -> None:
    await ended(client, await enqueue_with(client, Options(max_retries=0), job_of(kind, "fail"), 9))

    async def letters() -> list[bytes]:
        return await dead(client, f"stage-{kind}")

    assert len(await wait_for(letters)) == 1


async def test_a_job_that_will_be_tried_again_is_no_dead_letter(client: Client, engine: Engine, kind: str) -> None:
    await ended(client, await enqueue(client, job_of(kind, "fail"), 2))
    assert await dead(client, f"stage-{kind}") == []


async def test_a_retry_waits_in_postgresql(client: Client, engine: Engine, kind: str) -> None:
    """Given a backoff of an hour, when a job fails, then its row waits, and Redis holds nothing of it."""
    options = Options(min_backoff=3_600_000, max_backoff=7_200_000)
    job_id = await enqueue_with(client, options, job_of(kind, "fail"), 1)
    await noted(client, "attempt 1")
    job = await reaches(client, job_id, "queued")

    assert job.dispatched_at is None
    assert job.worker is None
    assert await value(client, "select run_at - now() between '50 min' and '2 h' from jobs where id = $1", job_id)

    async def forgotten() -> bool:
        return not [key async for key in client.redis.scan_iter(f"dramatiq:stage-{kind}*")]

    await wait_for(forgotten)


async def test_backoff_grows_between_attempts(client: Client, engine: Engine, kind: str) -> None:
    """Given a backoff of 0.2 s that doubles, then the runs start no sooner than 0.2 s and 0.4 s after a failure."""
    options = Options(min_backoff=200, max_backoff=60_000)
    job = await ended(client, await enqueue_with(client, options, job_of(kind, "fail"), 2))
    waits = await fetch(
        client,
        "select coalesce(lead(started_at) over (order by attempt), $2) - ended_at as wait"
        " from job_attempts where job_id = $1 order by attempt",
        job.id,
        job.started_at,
    )
    assert waits[0]["wait"] >= timedelta(seconds=0.2)
    assert waits[1]["wait"] >= timedelta(seconds=0.4)


async def test_a_retry_asked_for_comes_when_asked_for(client: Client, engine: Engine, kind: str) -> None:
    """Given `raise Retry(delay=700)` under a backoff of a millisecond, then the next run starts 0.7 s later."""
    job = await ended(client, await enqueue(client, job_of(kind, "ask_for_delay"), 700))
    assert (job.state, job.attempt) == ("succeeded", 2)
    [attempt] = await attempts(client, job.id)
    assert job.started_at is not None
    assert timedelta(seconds=0.7) <= job.started_at - attempt.ended_at <= timedelta(seconds=20)


async def test_a_delay_beyond_all_calendars_is_no_trap(client: Client, engine: Engine, kind: str) -> None:
    """Given `raise Retry(delay=...)` of 30,000 years, then the row can still be read, and waits."""
    job_id = await enqueue(client, job_of(kind, "ask_for_delay"), 10**15)
    await wait_for(lambda: attempts(client, job_id))
    assert (await row(client, job_id)).state == "queued"


async def test_what_an_actor_expects_fails_at_once(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "refuse")))
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.error == {"type": "Expected", "message": "as foreseen"}


@pytest.mark.parametrize(("error", "runs"), [("unlucky", 2), ("hopeless", 1)])
async def test_retry_when_decides(client: Client, engine: Engine, kind: str, error: str, runs: int) -> None:
    """Given an actor that retries once, and only when it was unlucky."""
    job = await ended(client, await enqueue(client, job_of(kind, "pick"), error))
    assert (job.state, job.attempt) == ("failed", runs)


async def test_retry_when_is_asked_about_failures_only(client: Client, engine: Engine, kind: str) -> None:
    """Given a run that ended because its worker stopped, when the next one fails, then it is the first failure."""
    job_id = await enqueue_with(client, Options(delay=timedelta(hours=1)), job_of(kind, "pick"), "unlucky")
    async with client.database.connection() as connection:  # as RELEASE leaves it
        await connection.execute(
            "update jobs set attempt = 1, releases = 1, max_attempts = max_attempts + 1, run_at = now() where id = $1",
            job_id,
        )
    job = await ended(client, job_id)
    assert len(await attempts(client, job.id)) == 2


async def test_the_jobs_own_max_retries_goes_before_its_actors(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue_with(client, Options(max_retries=4), job_of(kind, "fail"), 9))
    assert (job.state, job.attempt, job.max_attempts) == ("failed", 5, 5)


async def test_somebody_hears_that_retries_are_exhausted(client: Client, engine: Engine, kind: str) -> None:
    """Given `on_retry_exhausted`, when the last retry fails, then that actor gets Dramatiq's two arguments, once."""
    given_up = await ended(client, await enqueue(client, job_of(kind, "give_up"), "Ada"))

    async def heard() -> list[object]:
        return await fetch(client, "select id, result::text from jobs where actor = 'hear' and outcome is not null")

    await wait_for(heard)
    job = await row(client, (await fetch(client, "select id from jobs where actor = 'hear'"))[0]["id"])
    assert job.result is not None
    message, news = job.result
    assert news == {"retries": 1, "max_retries": 1}
    assert (message["message_id"], message["actor_name"]) == (str(given_up.id), f"give_up_{kind}")
    assert (message["args"], message["kwargs"]) == (["Ada"], {})
    assert await value(client, "select count(*) from jobs where actor = 'hear'") == 1


MISDEEDS = {
    "exits": ("SystemExit", "3"),
    "interrupts": ("KeyboardInterrupt", ""),
    "is cancelled": ("CancelledError", ""),
    "is weird": ("Weird", "boo"),
    "has bad text": ("Unlucky", "a\\0b\\ud800c"),
}


@pytest.mark.parametrize("how", MISDEEDS)
async def test_an_actor_that_misbehaves_fails_like_any_other(
    client: Client, engine: Engine, kind: str, how: str
) -> None:
    """Given an actor that ends with something unusual, then it fails, is tried again, and the worker lives."""
    job = await ended(client, await enqueue(client, job_of(kind, "misbehave"), how))
    assert (job.state, job.attempt) == ("failed", 2)
    assert [(a.error_type, a.error_message) for a in await attempts(client, job.id)] == [MISDEEDS[how]] * 2
    assert (await ended(client, await enqueue(client, job_of(kind, "echo"), 1))).state == "succeeded"


async def test_an_error_without_text_fails_like_any_other(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "misbehave"), "has no text"))
    assert (job.state, job.attempt) == ("failed", 2)
    assert [a.error_type for a in await attempts(client, job.id)] == ["Unprintable"] * 2


async def test_an_expected_error_without_text_fails_at_once(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "refuse_without_text")))
    assert (job.state, job.attempt) == ("failed", 1)


async def test_a_failure_wakes_the_relay(client: Client, engine: Engine, kind: str) -> None:
    """Given an idle system, when a job fails with a backoff of a millisecond, then its second retry mostly comes soon:
    the relay, which has just sent the first, would not look again within a second."""
    waits = []
    for _ in range(5):
        job = await ended(client, await enqueue(client, job_of(kind, "fail"), 2))
        assert job.started_at is not None
        waits.append((job.started_at - (await attempts(client, job.id))[-1].ended_at).total_seconds())
    assert median(waits) < 0.6, waits
