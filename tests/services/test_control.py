"""The verbs as callers meet them: what they return, what they refuse and how they say it, and the audit."""

import uuid
from datetime import timedelta

import pytest

from errors import BadArguments, Conflict, NotFound
from runtime.client import Client
from services import control, jobs
from services.control import Arguments, Place, Verb
from services.jobs import Options
from tests.runtime.observing import enqueue, enqueue_with, fetch, row
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
VERBS = {"pause": control.pause, "resume": control.resume, "cancel": control.cancel, "run_now": control.run_now}


async def act(client: Client, verb: str, job_id: uuid.UUID, reason: str | None = None) -> None:
    async with client.session() as session:
        await control.act(session, Verb(verb), job_id, who="ada", reason=reason, to=Place(priority=5))
        await session.commit()


async def ended_as(client: Client, state: str, job_id: uuid.UUID) -> None:
    outcome = {"succeeded": 1, "failed": 2, "cancelled": 3}[state]
    await fetch(
        client,
        "update jobs set state = $2, outcome = $3, finished_at = now(), attempt = 1 where id = $1",
        job_id, state, outcome,
    )  # fmt: skip


async def test_a_scheduled_job_goes_through_its_life_by_hand(client: Client) -> None:
    """Given a job for tomorrow, when it is paused, resumed, made due and cancelled, and then run again, then each says
    how the job is now, and each has left its row in the audit."""
    job_id = await enqueue_with(client, Options(delay=timedelta(days=1)), echo, 1)
    async with client.session() as session:
        states = [
            (await VERBS[verb](session, job_id, who="ada", reason=f"to {verb}")).state
            for verb in ("pause", "resume", "run_now", "cancel")
        ]
        states.append((await control.retry(session, job_id, who="bob")).state)
        await session.commit()
    assert states == ["paused", "queued", "queued", "cancelled", "queued"]
    noted = await fetch(client, "select who, action, job_id, reason from audit order by id")
    assert [tuple(found) for found in noted] == [
        ("ada", "job.pause", job_id, "to pause"), ("ada", "job.resume", job_id, "to resume"),
        ("ada", "job.run_now", job_id, "to run_now"), ("ada", "job.cancel", job_id, "to cancel"),
        ("bob", "job.retry", job_id, None),
    ]  # fmt: skip


async def test_a_refused_action_changes_nothing_and_is_not_noted(client: Client) -> None:
    job_id = await enqueue(client, echo, 1)
    with pytest.raises(Conflict, match=r"is queued and cannot be resumed\. It can be paused, moved or cancelled"):
        await act(client, "resume", job_id)
    assert (await row(client, job_id)).state == "queued"
    assert await fetch(client, "select * from audit") == []


@pytest.mark.parametrize(
    ("state", "verb", "words"),
    [
        ("succeeded", "cancel", "is succeeded and cannot be cancelled. It is over"),
        ("succeeded", "retry", "cannot be run again. It is over: `copy` makes a new job"),
        ("failed", "pause", "`retry` runs it again"),
        ("cancelled", "resume", "`retry` runs it again"),
    ],
)
async def test_a_refusal_says_what_can_be_done(client: Client, state: str, verb: str, words: str) -> None:
    job_id = await enqueue(client, echo, 1)
    await ended_as(client, state, job_id)
    with pytest.raises(Conflict, match=words):
        await act(client, verb, job_id)


async def test_what_is_due_is_not_made_due(client: Client) -> None:
    with pytest.raises(Conflict, match="is due already: it starts when a worker of the queue 'stage-async' has room"):
        await act(client, "run_now", await enqueue(client, echo, 1))


@pytest.mark.parametrize("verb", Verb)
async def test_what_does_not_exist_is_not_found(client: Client, verb: Verb) -> None:
    with pytest.raises(NotFound):
        await act(client, verb, uuid.uuid4())


async def test_a_reason_that_cannot_be_kept_is_refused(client: Client) -> None:
    job_id = await enqueue(client, echo, 1)
    for reason in ("a\0b", "x" * 2_000):
        with pytest.raises(BadArguments, match="reason"):
            await act(client, "cancel", job_id, reason)
    assert (await row(client, job_id)).state == "queued"


async def test_a_rolled_back_action_never_was(client: Client) -> None:
    job_id = await enqueue(client, echo, 1)
    async with client.session() as session:
        await control.cancel(session, job_id, who="ada")
        await session.rollback()
    assert (await row(client, job_id)).state == "queued"
    assert await fetch(client, "select * from audit") == []


async def test_a_retry_with_other_arguments(client: Client) -> None:
    """Given a failed job, when it is retried with arguments that do not fit, then it is refused and stays failed; with
    others that do it has them, and the audit has those of before."""
    job_id = await enqueue(client, echo, 1)
    await ended_as(client, "failed", job_id)
    async with client.session() as session:
        with pytest.raises(BadArguments):
            await control.retry(session, job_id, who="ada", arguments=Arguments([1, 2, 3], {}))
        job = await control.retry(session, job_id, who="ada", arguments=Arguments([2], {"twice": True}))
        await session.commit()
    assert (job.state, job.args, job.kwargs) == ("queued", [2], {"twice": True})
    [noted] = await fetch(client, "select details from audit")
    assert noted["details"] == {"arguments_before": {"args": [1], "kwargs": {}}}


async def test_a_key_that_lives_again_keeps_a_job_from_being_retried(client: Client) -> None:
    old = await enqueue_with(client, Options(unique_key="k"), echo, 1)
    await ended_as(client, "failed", old)
    await enqueue_with(client, Options(unique_key="k"), echo, 2)
    with pytest.raises(Conflict, match="another job lives that has its unique key 'k'"):
        await act(client, "retry", old)


async def test_a_copy_is_a_job_of_its_own(client: Client) -> None:
    options = Options(priority=3, max_retries=7, time_limit=5_000, owner="ada", tags=["a"], unique_key="k")
    job_id = await enqueue_with(client, options, echo, 1, twice=True)
    async with client.session() as session:
        made = await control.copy(session, job_id, who="ada")
        other = await control.copy(session, job_id, who="ada", arguments=Arguments([5], {}))
        await session.commit()
        old, new, edited = [await jobs.get(session, each) for each in (job_id, made.id, other.id)]
    same = ("actor", "queue", "priority", "options", "owner", "tags", "max_attempts")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert (new.args, new.kwargs, new.unique_key) == ([1], {"twice": True}, None)
    assert (edited.args, edited.kwargs) == ([5], {})


async def test_a_deleted_job_is_gone(client: Client) -> None:
    job_id = await enqueue(client, echo, 1)
    with pytest.raises(Conflict, match="cannot be deleted"):
        await act(client, "delete", job_id)
    await ended_as(client, "succeeded", job_id)
    await act(client, "delete", job_id)
    with pytest.raises(NotFound):
        await row(client, job_id)
    [noted] = await fetch(client, "select action, job_id, details from audit")
    assert tuple(noted) == ("job.delete", job_id, {"actor": "echo_async", "state": "succeeded"})
