"""What a job keeps for its next attempt: checkpoints, loops, steps; and its children."""

import uuid

import pytest

from runtime.client import Client
from tests.runtime.control_actors import broker
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import effects, ended, enqueue, fetch, notes


@BOTH_KINDS
async def test_an_attempt_goes_on_from_the_checkpoint(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, broker.actors[f"pages_{kind}"], 3))
    assert (job.state, job.result) == ("succeeded", [3, 4])
    assert await notes(client) == ["from 0", "from 1", "from 2", "from 3"]


async def test_writes_and_checkpoint_are_committed_together(client: Client, engine: Engine) -> None:
    """Given a job that fails in the middle of a page's transaction, then that page is done in the next attempt, and no
    page twice."""
    job = await ended(client, await enqueue(client, broker.actors["pages_with_work"], 5))
    assert (job.state, job.result, job.attempt) == ("succeeded", 5, 2)
    assert await effects(client) == [f"page {page}" for page in range(5)]


@BOTH_KINDS
@pytest.mark.parametrize("key", [False, True], ids=["by index", "by key"])
async def test_a_loop_that_fails_goes_on_at_the_item_it_failed_at(
    client: Client, engine: Engine, kind: str, key: bool
) -> None:
    """Given a loop without transactions that fails at item 25, then the next attempt begins with that one: how far it
    had come since its last checkpoint is saved as it ends."""
    actor = broker.actors[f"loop_{kind}"]
    job = await ended(client, await enqueue(client, actor, 40, 0, key=key, transactional=False, fail_at=25))
    assert (job.state, job.result, job.attempt) == ("succeeded", 40, 2)
    done = [line.removeprefix("did ") for line in await notes(client) if line.startswith("did")]
    assert list(map(int, done)) == list(range(40))
    assert (await notes(client)).count("tried 25") == 2


@BOTH_KINDS
async def test_a_step_is_done_once(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that fails twice after its steps, then they were done once, and later attempts got the result."""
    job = await ended(client, await enqueue(client, broker.actors[f"steps_{kind}"]))
    assert (job.state, job.attempt, job.result) == ("succeeded", 3, {"charged": 5})
    assert await notes(client) == ["charged 5"]
    assert await effects(client) == ["booked 5"]


async def test_two_steps_of_one_name_are_a_mistake(client: Client, engine: Engine) -> None:
    job = await ended(client, await enqueue(client, broker.actors["same_step_twice"]))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == "BadArguments"
    assert await notes(client) == ["charged 1"]


async def test_a_checkpoint_has_a_size(client: Client, engine: Engine) -> None:
    job = await ended(client, await enqueue(client, broker.actors["keep_too_much"]))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == "TooLarge"


@BOTH_KINDS
async def test_a_child_knows_its_parent(client: Client, engine: Engine, kind: str) -> None:
    parent = await ended(client, await enqueue(client, broker.actors[f"parent_{kind}"]))
    child = await ended(client, uuid.UUID(parent.result))
    assert (child.parent_id, child.result) == (parent.id, 7)


@BOTH_KINDS
async def test_a_soft_limit_leaves_time_to_keep_what_was_done(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that runs into its soft limit, then it is told, keeps a checkpoint, and its next attempt has it. On a
    machine that stalls just before the job is at work, or at its end, that is another attempt."""
    job = await ended(client, await enqueue(client, broker.actors[f"hurried_{kind}"]))
    assert (job.state, job.result) == ("succeeded", "as far as it came")
    assert [found["error_type"] for found in await fetch(client, "select error_type from job_attempts")] == [
        "SoftTimeLimitExceeded"
    ] * (job.attempt - 1)
    assert job.attempt > 1
    assert job.error is not None
