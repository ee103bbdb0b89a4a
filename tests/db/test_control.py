"""Each statement of db/control.py does something to jobs in certain states, and leaves all others as they are."""

import uuid
from typing import Any

import asyncpg
import pytest

from db import control, jobs, workers
from runtime.client import Client
from tests.db.test_statements import ME, OUTCOMES, STATES, job, row
from tests.runtime.observing import fetch, value

LATER = "run_at = now() + interval '1 h', dispatched_at = null"


async def do(client: Client, statement: str, job_id: uuid.UUID, *values: object) -> str | None:
    """The job's new state, None if nothing was done to it."""
    rows = await fetch(client, statement, [job_id], *values)
    return rows[0]["state"] if rows else None


async def made(client: Client, state: str, change: str = "") -> uuid.UUID:
    job_id = await job(client, state, **({"worker": ME} if state in OUTCOMES else {}))
    if change:
        await fetch(client, f"update jobs set {change} where id = $1", job_id)
    return job_id


CASES: dict[str, tuple[str, list[object], dict[str, str]]] = {
    "CANCEL": (
        control.CANCEL,
        ["why"],
        {"waiting": "cancelled", "queued": "cancelled", "paused": "cancelled", "running": "running"},
    ),
    "PAUSE": (control.PAUSE, ["why"], {"waiting": "paused", "queued": "paused", "running": "running"}),
    "RESUME": (control.RESUME, [], {"paused": "queued"}),
    "RUN_NOW": (control.RUN_NOW, [], {"queued": "queued"}),
    "MOVE": (control.MOVE, ["another", 5], {"waiting": "waiting", "queued": "queued", "paused": "paused"}),
    "RETRY": (control.RETRY, [False], {"failed": "queued", "cancelled": "queued"}),
    "DELETE": (control.DELETE, [], {"succeeded": "deleted", "failed": "deleted", "cancelled": "deleted"}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", CASES)
async def test_what_is_done_in_which_state(client: Client, name: str, state: str) -> None:
    statement, values, becomes = CASES[name]
    job_id = await made(client, state, LATER if state == "queued" else "")
    before = await row(client, job_id)
    assert await do(client, statement, job_id, *values) == becomes.get(state)
    if state not in becomes:
        assert await row(client, job_id) == before
    elif name != "DELETE":
        assert (await row(client, job_id))["state"] == becomes[state]


async def test_a_run_is_left_to_its_worker(client: Client) -> None:
    """Given a running job, when it is cancelled or paused, then only what is wanted of it is written down."""
    for statement, wish in ((control.PAUSE, "pause"), (control.CANCEL, "cancel")):
        job_id = await made(client, "running")
        before = dict(await row(client, job_id))
        await do(client, statement, job_id, "enough")
        assert dict(await row(client, job_id)) == before | {"control": wish, "control_reason": "enough"}


async def test_cancelling_comes_before_pausing(client: Client) -> None:
    job_id = await made(client, "running", "control = 'pause'")
    assert await do(client, control.PAUSE, job_id, "again") is None
    assert await do(client, control.CANCEL, job_id, "why") == "running"
    assert (await row(client, job_id))["control"] == "cancel"
    for statement, values in ((control.PAUSE, ["x"]), (control.CANCEL, ["x"]), (control.RESUME, [])):
        assert await do(client, statement, job_id, *values) is None


async def test_a_run_that_was_to_pause_goes_on(client: Client) -> None:
    job_id = await made(client, "running", "control = 'pause', control_reason = 'x'")
    assert await do(client, control.RESUME, job_id) == "running"
    after = await row(client, job_id)
    assert (after["state"], after["control"], after["control_reason"]) == ("running", None, None)


async def test_a_cancelled_job_says_why(client: Client) -> None:
    job_id = await made(client, "queued")
    await do(client, control.CANCEL, job_id, "the order was withdrawn")
    after = await row(client, job_id)
    assert (after["outcome"], after["finished_at"] is not None) == (3, True)
    assert after["error"] == {"type": "Cancelled", "message": "the order was withdrawn"}


async def test_a_pause_keeps_when_the_job_is_due(client: Client) -> None:
    """Given a job queued for later, when it is paused and resumed, then it is queued for the same time."""
    job_id = await made(client, "queued", "run_at = now() + interval '1 h', dispatched_at = now()")
    due = (await row(client, job_id))["run_at"]
    await do(client, control.PAUSE, job_id, "x")
    assert (await row(client, job_id))["dispatched_at"] is None
    await do(client, control.RESUME, job_id)
    after = await row(client, job_id)
    assert (after["run_at"], after["dispatched_at"], after["resume_at"]) == (due, None, None)


async def test_a_run_that_is_paused_is_due_when_it_would_have_been(client: Client) -> None:
    """Given a run that is to pause, when it fails and would be tried again in an hour, then once resumed it is due in
    an hour."""
    job_id = await made(client, "running")
    await do(client, control.PAUSE, job_id, "x")
    assert await fetch(client, jobs.FAIL, [job_id], [1], ["E"], ["no"], ["Traceback"], [3_600.0], ME)
    assert (await row(client, job_id))["state"] == "paused"
    await do(client, control.RESUME, job_id)
    assert await value(client, "select run_at - now() between interval '59 min' and interval '61 min' from jobs")


async def test_nobody_passes_what_is_paused(client: Client) -> None:
    """Given 5,000 paused jobs that were due before another one, when a relay looks for what is due, then it does not
    look at them."""
    ids = [
        found["id"]
        for found in await fetch(
            client,
            "insert into jobs (id, actor, queue, args, kwargs, run_at)"
            " select gen_random_uuid(), 'a', 'q', '[]', '{}', now() - interval '1 h' from generate_series(1, 5000)"
            " returning id",
        )
    ]
    assert len(await fetch(client, control.PAUSE, ids, "x")) == 5_000
    due = await job(client, "queued")
    await fetch(client, "vacuum analyze jobs")
    explained = await value(client, f"explain (analyze, format json) {jobs.DISPATCH}", "q", 0, 100)
    assert most_removed(explained[0]["Plan"]) == 0
    assert await value(client, "select dispatched_at is not null from jobs where id = $1", due)


def most_removed(plan: dict[str, Any]) -> int:
    """Rows that one step of the plan read in vain."""
    mine = int(plan.get("Rows Removed by Filter", 0))
    return max([mine, *(most_removed(child) for child in plan.get("Plans", []))])


@pytest.mark.parametrize("statement", [control.CANCEL, control.PAUSE])
async def test_a_blocked_job_is_no_longer_blocked(client: Client, statement: str) -> None:
    job_id = await made(client, "waiting", "blocked_by = 'limit:x', run_at = 'infinity'")
    await do(client, statement, job_id, "x")
    after = await row(client, job_id)
    assert after["blocked_by"] is None
    assert await value(client, "select coalesce(resume_at, run_at) <= now() from jobs")


async def test_what_is_due_is_not_made_due_again(client: Client) -> None:
    """Its message may be on its way: it is not sent a second time."""
    job_id = await made(client, "queued", "dispatched_at = now()")
    assert await do(client, control.RUN_NOW, job_id) is None
    assert (await row(client, job_id))["dispatched_at"] is not None


async def test_a_move_makes_old_what_is_in_redis_and_uses_up_no_attempt(client: Client) -> None:
    """Given a job whose message is in Redis, when it is moved, then that message claims nothing, the relay has it to
    send, under its new queue and priority, and it has as many attempts as before."""
    job_id = await made(client, "queued", "dispatched_at = now(), max_attempts = 3")
    assert await do(client, control.MOVE, job_id, "another", -5) == "queued"
    assert await fetch(client, jobs.CLAIM, [job_id], [0], ME) == []
    after = await row(client, job_id)
    assert after["max_attempts"] - after["attempt"] == 3
    assert after["attempt"] == after["releases"]
    assert [sent["id"] for sent in await fetch(client, jobs.DISPATCH, "another", -5, 10)] == [job_id]
    await fetch(client, workers.REGISTER, ME, "h", 1, "p", ["another"], 1, 1, "0", "3", "2")
    assert await fetch(client, jobs.CLAIM, [job_id], [1], ME)


async def test_a_move_leaves_what_is_not_said(client: Client) -> None:
    """Of a queue and a priority the one that is left out stays; where nothing would change nothing is done."""
    job_id = await made(client, "queued")
    for to, is_at in ((("another", None), ("another", 0)), ((None, 7), ("another", 7))):
        assert await do(client, control.MOVE, job_id, *to) == "queued"
        after = await row(client, job_id)
        assert (after["queue"], after["priority"]) == is_at
    assert await do(client, control.MOVE, job_id, "another", 7) is None


async def test_what_waits_or_is_paused_is_moved_and_goes_on_waiting(client: Client) -> None:
    blocked = await made(client, "waiting", "blocked_by = 'limit:x', run_at = 'infinity'")
    paused = await made(client, "queued", LATER)
    await do(client, control.PAUSE, paused, "x")
    for job_id in (blocked, paused):
        before = await row(client, job_id)
        await do(client, control.MOVE, job_id, "another", None)
        after = await row(client, job_id)
        assert after["queue"] == "another"
        for name in ("state", "blocked_by", "run_at", "resume_at"):
            assert after[name] == before[name]


async def keep_something(client: Client, job_id: uuid.UUID) -> None:
    await fetch(client, "insert into job_checkpoints (job_id, attempt, data) values ($1, 1, '1')", job_id)
    await fetch(client, "insert into job_steps (job_id, name, attempt) values ($1, 'a', 1)", job_id)
    await fetch(
        client,
        "insert into job_progress (job_id, attempt, current, started_current, started_at) values ($1, 1, 5, 0, now())",
        job_id,
    )
    await fetch(
        client,
        "insert into job_logs (job_id, attempt, line, level, logged_at, message) values ($1, 1, 1, 20, now(), 'x')",
        job_id,
    )


KEPT = ("job_checkpoints", "job_steps", "job_progress", "job_logs")


async def kept(client: Client, job_id: uuid.UUID) -> list[str]:
    return [name for name in KEPT if await value(client, f"select count(*) from {name} where job_id = $1", job_id)]


async def test_a_retry_keeps_what_the_job_has_kept_unless_it_is_from_the_start(client: Client) -> None:
    one, other = await made(client, "failed"), await made(client, "failed")
    for job_id in (one, other):
        await keep_something(client, job_id)
    await do(client, control.RETRY, one, True)
    await do(client, control.RETRY, other, False)
    assert await kept(client, one) == ["job_logs"]
    assert await kept(client, other) == list(KEPT)


async def test_a_refused_retry_forgets_nothing(client: Client) -> None:
    job_id = await made(client, "running")
    await keep_something(client, job_id)
    assert await do(client, control.RETRY, job_id, True) is None
    assert await kept(client, job_id) == list(KEPT)


async def test_a_retried_job_does_not_expire_at_once(client: Client) -> None:
    job_id = await made(client, "cancelled", "expires_at = now() - interval '1 h'")
    await do(client, control.RETRY, job_id, False)
    assert (await row(client, job_id))["expires_at"] is None


async def test_a_deletion_takes_everything_along(client: Client) -> None:
    job_id = await made(client, "failed")
    await keep_something(client, job_id)
    await do(client, control.DELETE, job_id)
    assert await kept(client, job_id) == []


async def test_arguments_are_edited_only_while_no_message_carries_them(client: Client) -> None:
    for change, edited in (("dispatched_at = null", True), ("dispatched_at = now()", False)):
        job_id = await made(client, "queued", change)
        assert bool(await fetch(client, control.EDIT, job_id, "[1]", "{}")) == edited
    assert not await fetch(client, control.EDIT, await made(client, "running"), "[1]", "{}")


async def test_two_of_one_key_do_not_both_come_to_life(client: Client) -> None:
    ids = [await job(client, "failed", worker=ME, unique_key="k") for _ in range(2)]
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetch(client, control.RETRY, ids, False)
