"""`job.transaction()`: the actor's own writes and the job's success come together, or not at all."""

import uuid

from runtime.client import Client
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    attempts,
    dead,
    effects,
    ended,
    enqueue,
    fetch,
    go,
    noted,
    notes,
    nothing_left,
    reaches,
    row,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.waiting import wait_for

pytestmark = BOTH_KINDS


async def give_up(client: Client, job_id: uuid.UUID, state: str) -> None:
    """What others may do to a running job: end it, or queue it again for in an hour."""
    ended = "outcome = 3, finished_at = now()" if state == "cancelled" else "worker = null, run_at = now() + '1 h'"
    async with client.database.connection() as connection:
        await connection.execute(f"update jobs set state = '{state}', {ended} where id = $1", job_id)


async def test_the_work_and_the_success_are_one_commit(client: Client, engine: Engine, kind: str) -> None:
    """Given a job with a transaction, then whoever sees its effect sees that it has succeeded."""
    job_id = await enqueue(client, job_of(kind, "act"), "one")

    async def committed() -> bool:
        return bool(await value(client, "select count(*) from stage.effects"))

    await wait_for(committed)
    assert (await row(client, job_id)).state == "succeeded"  # from the moment the effect can be seen


async def test_what_the_actor_returns_is_stored_afterwards(client: Client, engine: Engine, kind: str) -> None:
    job_id = await enqueue(client, job_of(kind, "act"), "one")

    async def stored() -> bool:
        return (await row(client, job_id)).result == "one done"

    await wait_for(stored)


async def test_an_error_inside_rolls_back_and_the_job_is_tried_again(client: Client, engine: Engine, kind: str) -> None:
    """Given an actor whose transaction fails the first time, then there is one effect, of the second run."""
    job = await ended(client, await enqueue(client, job_of(kind, "act"), "one", then="raise inside"))
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert [tuple(found) for found in await fetch(client, "select note, attempt from stage.effects")] == [("one", 2)]
    assert [attempt.error_message for attempt in await attempts(client, job.id)] == ["inside"]


async def test_an_error_afterwards_leaves_the_job_succeeded(client: Client, engine: Engine, kind: str) -> None:
    """Given an actor that raises after its transaction, then the job has succeeded, and is not run again."""
    job_id = await enqueue(client, job_of(kind, "act"), "one", then="raise after")
    await ended(client, job_id)
    await nothing_left(client, f"stage-{kind}")
    job = await row(client, job_id)
    assert (job.state, job.attempt, job.error) == ("succeeded", 1, None)
    assert await attempts(client, job_id) == []
    assert await dead(client, f"stage-{kind}") == []
    assert await notes(client) == ["one attempt 1"]


async def test_an_error_afterwards_exhausts_no_retries(client: Client, engine: Engine, kind: str) -> None:
    """Given no retries, when an actor raises after its transaction, then nobody is told that it was given up."""
    await ended(client, await enqueue(client, job_of(kind, "act_then_raise"), "one"))
    await nothing_left(client, f"stage-{kind}")
    await ended(client, await enqueue(client, job_of("async", "echo")))  # whatever was sent before is a row by now
    assert await value(client, "select count(*) from jobs where actor = 'hear'") == 0
    assert await dead(client, f"stage-{kind}") == []


async def test_a_run_that_was_ended_by_others_has_no_effect(client: Client, engine: Engine, kind: str) -> None:
    """Given a running job that somebody cancels, when its transaction wants to commit, then nothing of it is written,
    the job stays cancelled, and it is no dead letter."""
    job_id = await enqueue(client, job_of(kind, "hold"), "one")
    await noted(client, "one started")
    await give_up(client, job_id, "cancelled")
    await go(client, "one")
    await nothing_left(client, f"stage-{kind}")
    assert await effects(client) == []
    assert (await row(client, job_id)).state == "cancelled"
    assert await dead(client, f"stage-{kind}") == []


async def test_a_run_whose_job_was_given_to_another_has_no_effect(client: Client, engine: Engine, kind: str) -> None:
    """Given a running job that was queued again as its worker was thought dead, then the next run has the effect, and
    the first one has none, whichever commits first."""
    job_id = await enqueue(client, job_of(kind, "hold"), "one")
    await noted(client, "one started")
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = 'queued', worker = null, dispatched_at = null, max_attempts = 2 where id = $1",
            job_id,
        )
    await noted(client, "one started", times=2)
    await go(client, "one")
    job = await ended(client, job_id)
    await nothing_left(client, f"stage-{kind}")
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert [tuple(found) for found in await fetch(client, "select note, attempt from stage.effects")] == [("one", 2)]


async def test_a_job_enqueued_inside_is_sent_after_the_commit(client: Client, engine: Engine, kind: str) -> None:
    await enqueue(client, job_of(kind, "act"), "parent", then="enqueue")

    async def both() -> bool:
        return await effects(client) == ["parent", "child of parent"]

    await wait_for(both)


async def test_a_job_enqueued_inside_is_forgotten_with_a_rollback(client: Client, engine: Engine, kind: str) -> None:
    """Given a transaction that enqueues and then fails the first time, then there is one child, of the second run."""
    job_id = await enqueue(client, job_of(kind, "act"), "parent", then="enqueue, raise inside")
    await ended(client, job_id)

    async def both() -> bool:
        return await effects(client) == ["parent", "child of parent"]

    await wait_for(both)
    assert await value(client, "select count(*) from jobs") == 2


async def test_the_row_of_a_lost_run_shows_nothing_of_it(client: Client, engine: Engine, kind: str) -> None:
    """Given a job queued again for in an hour while it ran, when that run fails, then its failure is not written."""
    job_id = await enqueue(client, job_of(kind, "hold"), "one")
    await noted(client, "one started")
    await give_up(client, job_id, "queued")
    await go(client, "one")
    await nothing_left(client, f"stage-{kind}")
    job = await reaches(client, job_id, "queued")
    assert (job.attempt, job.error) == (1, None)
    assert await attempts(client, job_id) == []
