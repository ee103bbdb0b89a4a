"""Each statement of db/jobs.py changes what its guard allows, and refuses all else by returning no row."""

import uuid
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from db import jobs
from runtime.client import Client
from tests.runtime.observing import fetch, value

ME, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
STATES = ["waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
OUTCOMES = {"succeeded": 1, "failed": 2, "cancelled": 3}


@pytest_asyncio.fixture(autouse=True)
async def registered(client: Client) -> None:
    """Both workers have their rows, which claiming needs."""
    async with client.database.connection() as connection:
        await connection.executemany(
            "insert into workers (id, host, pid, process, queues, async_slots, threads, version)"
            " values ($1, 'h', 1, 'f', '{q}', 1, 1, '0') on conflict (id) do update set heartbeat_at = now()",
            [(ME,), (OTHER,)],
        )


async def job(client: Client, state: str = "queued", **columns: Any) -> uuid.UUID:
    """A row in that state, made as it must be: one that runs has attempt 1 and worker ME."""
    job_id = uuid.uuid4()
    values = {
        "id": job_id, "actor": "a", "queue": "q", "args": "[]", "kwargs": "{}", "state": state,
        "attempt": 0 if state in ("waiting", "queued") else 1, "max_attempts": 3,
        "worker": ME if state == "running" else None, "outcome": OUTCOMES.get(state), **columns,
    }  # fmt: skip
    names = ", ".join(values)
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    times = "now(), now()" if state in OUTCOMES else "now(), null" if state == "running" else "null, null"
    async with client.database.connection() as connection:
        await connection.execute(
            f"insert into jobs ({names}, started_at, finished_at) values ({places}, {times})", *values.values()
        )
    return job_id


async def row(client: Client, job_id: uuid.UUID) -> asyncpg.Record:
    return (await fetch(client, "select * from jobs where id = $1", job_id))[0]


async def claim(client: Client, job_id: uuid.UUID, attempt: int = 0) -> list[asyncpg.Record]:
    return await fetch(client, jobs.CLAIM, [job_id], [attempt], ME)


ENDS: dict[str, tuple[str, list[Any]]] = {
    "SUCCEED": (jobs.SUCCEED, [["1"]]),
    "FAIL": (jobs.FAIL, [["E"], ["no"], ["Traceback"], [None]]),
    "FAIL, later": (jobs.FAIL, [["E"], ["no"], ["Traceback"], [1.0]]),
    "CANCEL_RUNNING": (jobs.CANCEL_RUNNING, [["why"]]),
    "RELEASE": (jobs.RELEASE, [[0.0]]),
}
EACH_END = pytest.mark.parametrize("name", ENDS)


async def end(client: Client, name: str, job_id: uuid.UUID, attempt: int = 1, worker: uuid.UUID = ME) -> int:
    """How many runs were ended."""
    statement, columns = ENDS[name]
    return len(await fetch(client, statement, [job_id], [attempt], *columns, worker))


# ---- the claim


async def test_a_claim_takes_a_queued_job(client: Client) -> None:
    job_id = await job(client)
    assert [found["id"] for found in await claim(client, job_id)] == [job_id]
    after = await row(client, job_id)
    assert (after["state"], after["attempt"], after["worker"]) == ("running", 1, ME)
    assert after["started_at"] is not None


async def test_a_job_is_claimed_once(client: Client) -> None:
    job_id = await job(client)
    assert await claim(client, job_id)
    assert not await claim(client, job_id)
    assert not await claim(client, job_id, attempt=1)


@pytest.mark.parametrize("state", [state for state in STATES if state != "queued"])
async def test_what_is_not_queued_is_not_claimed(client: Client, state: str) -> None:
    job_id = await job(client, state)
    before = await row(client, job_id)
    assert not await claim(client, job_id, attempt=before["attempt"])
    assert await row(client, job_id) == before


@pytest.mark.parametrize("attempt", [-1, 1, 3])
async def test_the_message_of_another_attempt_claims_nothing(client: Client, attempt: int) -> None:
    assert not await claim(client, await job(client, attempt=2), attempt)


async def test_what_is_not_due_is_not_claimed(client: Client) -> None:
    job_id = await job(client)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set run_at = now() + interval '1 s'")
    assert not await claim(client, job_id)


async def test_an_unknown_job_is_not_claimed(client: Client) -> None:
    assert not await claim(client, uuid.uuid4())


async def test_of_a_batch_only_the_claimable_are_claimed(client: Client) -> None:
    mine, running, stale = await job(client), await job(client, "running"), await job(client, attempt=4)
    won = await fetch(client, jobs.CLAIM, [mine, running, stale, mine], [0, 1, 3, 0], ME)
    assert [found["id"] for found in won] == [mine]


async def test_a_claim_whose_answer_was_lost_can_be_read(client: Client) -> None:
    mine, others = await job(client), await job(client)
    await fetch(client, jobs.CLAIM, [mine], [0], ME)
    await fetch(client, jobs.CLAIM, [others], [0], OTHER)
    found = await fetch(client, jobs.CLAIMED, [mine, others], [0, 0], ME)
    assert [each["id"] for each in found] == [mine]


async def test_a_worker_that_was_given_up_claims_nothing(client: Client) -> None:
    job_id = await job(client)
    async with client.database.connection() as connection:
        await connection.execute("delete from workers where id = $1", ME)
    assert not await claim(client, job_id)


# ---- the end of a run


@EACH_END
async def test_a_run_is_ended_once(client: Client, name: str) -> None:
    job_id = await job(client, "running")
    assert await end(client, name, job_id) == 1
    after = await row(client, job_id)
    assert await end(client, name, job_id) == 0
    assert await row(client, job_id) == after


@EACH_END
@pytest.mark.parametrize("state", [state for state in STATES if state != "running"])
async def test_what_does_not_run_is_not_ended(client: Client, name: str, state: str) -> None:
    job_id = await job(client, state, **({"worker": ME} if state in OUTCOMES else {}))
    before = await row(client, job_id)
    assert await end(client, name, job_id, before["attempt"]) == 0
    assert await row(client, job_id) == before


@EACH_END
async def test_another_attempt_ends_nothing(client: Client, name: str) -> None:
    job_id = await job(client, "running", attempt=2)
    assert await end(client, name, job_id, attempt=1) == 0
    assert (await row(client, job_id))["state"] == "running"


@EACH_END
async def test_another_worker_ends_nothing(client: Client, name: str) -> None:
    job_id = await job(client, "running")
    assert await end(client, name, job_id, worker=OTHER) == 0
    assert (await row(client, job_id))["state"] == "running"


@pytest.mark.parametrize(("attempt", "worker"), [(2, ME), (1, OTHER)])
async def test_a_transaction_of_another_run_ends_nothing(client: Client, attempt: int, worker: uuid.UUID) -> None:
    job_id = await job(client, "running")
    assert not await fetch(client, jobs.SUCCEED_WITH_WORK, job_id, attempt, worker)
    assert await fetch(client, jobs.SUCCEED_WITH_WORK, job_id, 1, ME)
    assert not await fetch(client, jobs.SUCCEED_WITH_WORK, job_id, 1, ME)


async def test_success_keeps_the_result_and_the_worker(client: Client) -> None:
    job_id = await job(client, "running")
    await end(client, "SUCCEED", job_id)
    after = await row(client, job_id)
    assert (after["state"], after["outcome"], after["result"], after["worker"]) == ("succeeded", 1, 1, ME)
    assert after["finished_at"] is not None


async def test_a_result_is_stored_for_the_run_that_succeeded_only(client: Client) -> None:
    job_id = await job(client, "succeeded", worker=ME)
    assert not await fetch(client, jobs.STORE_RESULT, job_id, 2, ME, "1")
    assert not await fetch(client, jobs.STORE_RESULT, job_id, 1, OTHER, "1")
    assert not await fetch(client, jobs.STORE_RESULT, await job(client, "failed", worker=ME), 1, ME, "1")
    assert await fetch(client, jobs.STORE_RESULT, job_id, 1, ME, '"kept"')
    assert (await row(client, job_id))["result"] == "kept"


async def test_a_failure_for_now_is_queued_for_later_and_undispatched(client: Client) -> None:
    job_id = await job(client, "running")
    async with client.database.connection() as connection:
        await connection.execute("update jobs set dispatched_at = now()")
    await fetch(client, jobs.FAIL, [job_id], [1], ["E"], ["no"], ["Traceback"], [60.0], ME)
    after = await row(client, job_id)
    assert (after["state"], after["attempt"], after["worker"], after["dispatched_at"]) == ("queued", 1, None, None)
    assert (after["outcome"], after["finished_at"]) == (None, None)
    assert await value(client, "select run_at - now() between '59 s' and '61 s' from jobs")
    assert after["error"] == {"type": "E", "message": "no"}


async def test_a_failure_for_good_is_kept(client: Client) -> None:
    job_id = await job(client, "running")
    await end(client, "FAIL", job_id)
    after = await row(client, job_id)
    assert (after["state"], after["outcome"], after["worker"]) == ("failed", 2, ME)
    [attempt] = await fetch(client, "select * from job_attempts")
    assert (attempt["job_id"], attempt["attempt"], attempt["worker"]) == (job_id, 1, ME)
    assert (attempt["error_type"], attempt["error_message"], attempt["traceback"]) == ("E", "no", "Traceback")
    assert attempt["started_at"] == after["started_at"]


async def test_a_refused_failure_leaves_no_attempt(client: Client) -> None:
    await end(client, "FAIL", await job(client, "running"), worker=OTHER)
    assert await value(client, "select count(*) from job_attempts") == 0


async def test_a_released_run_uses_up_no_attempt(client: Client) -> None:
    job_id = await job(client, "running")
    await end(client, "RELEASE", job_id)
    after = await row(client, job_id)
    assert (after["state"], after["attempt"], after["max_attempts"], after["worker"]) == ("queued", 1, 4, None)
    assert after["dispatched_at"] is None


# ---- what people and services do


@pytest.mark.parametrize("state", STATES)
async def test_only_failed_and_cancelled_jobs_are_queued_again(client: Client, state: str) -> None:
    job_id = await job(client, state, attempt=3, **({"worker": ME} if state in OUTCOMES else {}))
    before = await row(client, job_id)
    again = await fetch(client, jobs.QUEUE_AGAIN, [job_id])
    after = await row(client, job_id)
    if state in ("failed", "cancelled"):
        assert again
        assert (after["state"], after["attempt"], after["max_attempts"]) == ("queued", 3, 4)
        assert (after["outcome"], after["finished_at"], after["worker"]) == (None, None, None)
    else:
        assert not again
        assert after == before


async def test_a_job_queued_again_keeps_the_attempts_it_had_left(client: Client) -> None:
    """Given a job that failed for good on attempt 1 of 3, then it gets the two that were left."""
    job_id = await job(client, "failed", worker=ME)
    await fetch(client, jobs.QUEUE_AGAIN, [job_id])
    assert (await row(client, job_id))["max_attempts"] == 3


async def test_a_job_without_a_limit_stays_without(client: Client) -> None:
    job_id = await job(client, "failed", worker=ME, max_attempts=None)
    await fetch(client, jobs.QUEUE_AGAIN, [job_id])
    assert (await row(client, job_id))["max_attempts"] is None


async def test_a_unique_key_taken_meanwhile_keeps_a_job_from_being_queued_again(client: Client) -> None:
    """Given a failed job whose key a new job has, then queueing it again is refused, not doubled."""
    old = await job(client, "failed", worker=ME, unique_key="k")
    await job(client, unique_key="k")
    assert await fetch(client, jobs.QUEUE_AGAIN, [old]) == []


async def test_undispatching_is_for_the_message_of_this_attempt(client: Client) -> None:
    mine, later, running = await job(client), await job(client, attempt=2), await job(client, "running")
    async with client.database.connection() as connection:
        await connection.execute("update jobs set dispatched_at = now()")
    again = await fetch(client, jobs.UNDISPATCH, [mine, later, running], [0, 1, 1])
    assert [found["id"] for found in again] == [mine]


async def test_adopting_twice_writes_one_row(client: Client) -> None:
    columns = [[uuid.UUID(int=9)], ["a"], ["q"], ["[1]"], ["{}"], [None], [0], [3], [None]]
    ten_years = 10 * 366 * 86_400
    await fetch(client, jobs.ADOPT, *columns, ten_years, [None])
    await fetch(client, jobs.ADOPT, *columns, ten_years, [None])
    assert await value(client, "select count(*) from jobs") == 1
