"""Joins, failures, sagas, waits, and what people do to a workflow."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import Audit
from errors import Conflict, NotFound
from runtime.client import Client
from services import control, workflows
from services.workflows import chain, chord, each, graph, group, s, si, sleep, sleep_until, wait_for
from tests.runtime.engine import Engine
from tests.runtime.observing import effects, enqueue, fetch, go, noted, value
from tests.support.waiting import wait_for as wait_until
from tests.workflows import observing as see
from tests.workflows.flow_actors import (
    flow_add,
    flow_collect,
    flow_effect,
    flow_fail,
    flow_fail_unless,
    flow_hold,
    flow_hold_limited,
    flow_undo,
    flow_value,
)  # fmt: skip


async def test_a_failure_fails_the_workflow_and_cancels_what_waits(engine: Engine, client: Client) -> None:
    flow = group(chain(si(flow_fail), s(flow_add)), chain(si(flow_hold, 1, "a").named("hold"), s(flow_collect)))
    workflow = await see.start(client, flow)
    await see.reaches(client, workflow, "failing")
    assert (await see.states_of(client, workflow))["hold"] == "running"

    # When what runs has ended
    await go(client, "a")

    # Then the workflow has failed, and says why
    found = await see.ended(client, workflow)
    assert found.state == "failed"
    assert found.error == {
        "type": "StepFailed", "message": "The step 'flow_fail' failed.", "step": "flow_fail",
    }  # fmt: skip
    assert await see.states_of(client, workflow) == {
        "flow_fail": "failed", "flow_add": "cancelled", "hold": "succeeded", "flow_collect": "cancelled",
        "join": "cancelled",
    }  # fmt: skip
    assert await effects(client) == []


async def test_a_failure_that_may_be_leaves_the_rest_alone(engine: Engine, client: Client) -> None:
    bad = si(flow_fail).failing("continue")
    good = si(flow_value, 1).named("good")
    joined: dict[workflows.Flow, list[workflows.Flow]] = {
        s(flow_collect).named("all"): [bad, good],
        s(flow_collect).named("done").joining("all_done"): [bad, good],
        s(flow_collect).named("any").joining("any_succeeded"): [bad, good],
        s(flow_collect).named("none").joining("any_succeeded"): [bad],
    }
    workflow = await see.start(client, graph({bad: [], good: [], **joined}))
    assert (await see.ended(client, workflow)).state == "succeeded"
    assert await see.states_of(client, workflow) == {
        "flow_fail": "failed", "good": "succeeded", "all": "cancelled", "done": "succeeded", "any": "succeeded",
        "none": "cancelled", "join": "cancelled",
    }  # fmt: skip
    assert min(await effects(client)) == "collect [None, 1]"


async def test_a_body_runs_though_children_fail_for_good(engine: Engine, client: Client) -> None:
    """What Dramatiq's group callback does not do."""
    children = [si(flow_fail).failing("continue"), *(si(flow_value, n).failing("continue") for n in range(3))]
    workflow = await see.start(client, chord(children, s(flow_collect).joining("all_done")))
    assert (await see.ended(client, workflow)).state == "succeeded"
    assert await effects(client) == ["collect [None, 0, 1, 2]"]


async def test_any_succeeded_begins_with_the_first(engine: Engine, client: Client) -> None:
    children = group(si(flow_value, 1), si(flow_hold, 2, "b"))
    workflow = await see.start(client, chord(children, s(flow_collect).joining("any_succeeded").named("first")))
    await see.step_reaches(client, workflow, "first", "succeeded")
    await go(client, "b")
    assert (await see.ended(client, workflow)).state == "succeeded"
    assert await effects(client) == ["collect [1, None]"]


async def test_a_map_stops_at_a_failure_unless_it_may_go_on(engine: Engine, client: Client) -> None:
    items = [*range(20), "no number", *range(500)]
    workflow = await see.start(client, each(flow_add, items, max_parallel=5))
    assert (await see.ended(client, workflow)).state == "failed"
    assert await value(client, "select count(*) < 100 from jobs")

    workflow = await see.start(client, each(flow_add, items, max_parallel=50).failing("continue"))
    assert (await see.ended(client, workflow)).state == "succeeded"
    step = (await see.steps(client, workflow))[0]
    assert (step.state, step.ended, step.failed) == ("failed", 521, 1)


def saga(last: workflows.Flow) -> workflows.Flow:
    steps = [
        si(flow_effect, f"do {n}").named(f"do {n}").failing("compensate").undone_by(s(flow_undo, str(n)))
        for n in range(3)
    ]
    return chain(*steps, last)


async def test_a_saga_undoes_what_was_done_the_last_first(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, saga(si(flow_fail).failing("compensate")))
    assert (await see.ended(client, workflow)).state == "compensated"
    assert await effects(client) == ["do 0", "do 1", "do 2", *(f"undo {n} 'do {n}'" for n in (2, 1, 0))]


async def test_an_undo_that_fails_waits_for_a_person(engine: Engine, client: Client) -> None:
    first = si(flow_effect, "do 1").undone_by(s(flow_undo, "1")).failing("compensate")
    second = si(flow_value, 2).undone_by(s(flow_fail_unless, "repaired")).failing("compensate").named("second")
    workflow = await see.start(client, chain(first, second, si(flow_fail).failing("compensate")))
    found = await see.ended(client, workflow)
    assert found.state == "failed"
    assert found.error is not None
    assert found.error["type"] == "UndoFailed"

    # When it has been repaired, and the workflow is retried, then undoing goes on
    await go(client, "repaired")
    await see.act(client, workflows.retry, workflow)
    assert (await see.reaches(client, workflow, "compensated")).state == "compensated"
    assert await effects(client) == ["do 1", "undo 1 'do 1'"]


async def test_an_undo_that_is_run_again_by_itself(engine: Engine, client: Client) -> None:
    """Given a saga that stopped at an undo that failed, when a person runs that undo's job again, and it succeeds, then
    undoing goes on."""
    first = si(flow_effect, "do 1").undone_by(s(flow_undo, "1")).failing("compensate")
    second = si(flow_value, 2).undone_by(s(flow_fail_unless, "mended")).failing("compensate").named("second")
    workflow = await see.start(client, chain(first, second, si(flow_fail).failing("compensate")))
    assert (await see.ended(client, workflow)).state == "failed"
    await go(client, "mended")
    undo = await value(client, "select id from jobs where actor = $1", flow_fail_unless.actor_name)
    async with client.session() as session:
        await control.retry(session, undo, who="ada")
        await session.commit()
    await see.reaches(client, workflow, "compensated")
    assert await effects(client) == ["do 1", "undo 1 'do 1'"]


async def test_retry_goes_on_from_what_failed(engine: Engine, client: Client) -> None:
    flow = chain(si(flow_effect, "once"), s(flow_fail_unless, "c"), s(flow_collect))
    workflow = await see.start(client, flow)
    assert (await see.ended(client, workflow)).state == "failed"
    await go(client, "c")
    await see.act(client, workflows.retry, workflow, reason="the disk was full")
    assert (await see.reaches(client, workflow, "succeeded")).error is None
    assert await effects(client) == ["once", "collect 'once'"]
    async with client.session() as session:
        noted_ = (await session.scalars(select(Audit))).one()
    assert (noted_.who, noted_.action, noted_.target, noted_.reason) == (
        "ada", "workflow.retry", str(workflow), "the disk was full",
    )  # fmt: skip


async def test_retry_of_a_map_runs_only_what_had_failed(engine: Engine, client: Client) -> None:
    flow = chain(each(flow_fail_unless, list(range(30)), "d", max_parallel=10), s(flow_collect))
    workflow = await see.start(client, flow)
    assert (await see.ended(client, workflow)).state == "failed"
    await go(client, "d")
    await see.act(client, workflows.retry, workflow)
    await see.reaches(client, workflow, "succeeded")
    assert await effects(client) == [f"collect {list(range(30))!r}"]
    assert await value(client, "select count(*) from jobs") == 31


async def test_rerun_does_a_step_again_and_what_comes_after_it(engine: Engine, client: Client) -> None:
    flow = chain(si(flow_effect, "first"), si(flow_effect, "second").named("second"), s(flow_collect))
    workflow = await see.start(client, flow)
    await see.reaches(client, workflow, "succeeded")
    await see.act(client, workflows.rerun, workflow, "second")
    await see.reaches(client, workflow, "succeeded")
    assert sorted(await effects(client)) == [
        "collect 'second'", "collect 'second'", "first", "second", "second",
    ]  # fmt: skip


async def test_a_step_is_skipped_by_hand(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(si(flow_fail), s(flow_collect)))
    assert (await see.ended(client, workflow)).state == "failed"
    await see.act(client, workflows.skip, workflow, "flow_fail", result=7)
    await see.reaches(client, workflow, "succeeded")
    assert (await see.states_of(client, workflow))["flow_fail"] == "skipped"
    assert await effects(client) == ["collect 7"]


async def test_cancel_ends_what_runs(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(si(flow_hold, 1, "never"), s(flow_collect)))
    await noted(client, "holds never")
    await see.act(client, workflows.cancel, workflow, reason="withdrawn")
    found = await see.ended(client, workflow)
    assert found.state == "cancelled"
    assert found.error is not None
    assert found.error["message"] == "withdrawn"
    assert set((await see.states_of(client, workflow)).values()) == {"cancelled"}
    with pytest.raises(Conflict, match="is cancelled"):
        await see.act(client, workflows.pause, workflow)


async def test_pause_and_resume(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(si(flow_hold, 1, "e"), s(flow_add), s(flow_collect)))
    await noted(client, "holds e")
    await see.act(client, workflows.pause, workflow)
    await go(client, "e")
    await see.step_reaches(client, workflow, "flow_hold", "succeeded")
    assert (await see.states_of(client, workflow))["flow_add"] == "waiting"
    await see.act(client, workflows.resume, workflow)
    await see.reaches(client, workflow, "succeeded")
    assert await effects(client) == ["collect 2"]


async def test_pause_holds_what_waits_for_a_limit(engine: Engine, client: Client) -> None:
    """Given a map of an actor that runs one job at a time, when the workflow is paused, then those that wait for their
    turn do not get it before the workflow goes on."""
    workflow = await see.start(client, each(flow_hold_limited, [1, 2, 3], "h"))
    await noted(client, "holds h")

    async def wait() -> bool:
        return bool(await value(client, "select count(*) = 2 from jobs where state = 'waiting'"))

    await wait_until(wait, what="two jobs to wait for the limit")
    await see.act(client, workflows.pause, workflow)
    assert [row["state"] for row in await fetch(client, "select state from jobs order by state")] == [
        "paused", "paused", "running",
    ]  # fmt: skip
    await go(client, "h")
    await see.act(client, workflows.resume, workflow)
    await see.reaches(client, workflow, "succeeded")


async def test_an_approval(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(wait_for("approved"), s(flow_collect)))
    assert await fetch(client, "select from jobs") == []
    with pytest.raises(NotFound, match="Its events: approved"):
        await see.act(client, workflows.signal, workflow, "aproved")
    await see.act(client, workflows.signal, workflow, "approved", {"by": "bob"})
    await see.reaches(client, workflow, "succeeded")
    assert await effects(client) == ["collect {'by': 'bob'}"]


async def test_an_event_may_come_before_its_step(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(si(flow_hold, 1, "f"), wait_for("paid"), s(flow_collect)))
    await see.act(client, workflows.signal, workflow, "paid", 5)
    with pytest.raises(Conflict, match="Only the first time counts"):
        await see.act(client, workflows.signal, workflow, "paid", 6)
    await go(client, "f")
    await see.reaches(client, workflow, "succeeded")
    assert await effects(client) == ["collect 5"]


async def test_an_event_that_does_not_come_in_time(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(wait_for("never", 0.2), s(flow_collect)))
    assert (await see.ended(client, workflow)).state == "failed"
    assert ((await see.step(client, workflow, "never")).error or {})["type"] == "EventTimeout"


async def test_sleeps_hold_no_worker(engine: Engine, client: Client) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    workflow = await see.start(client, chain(sleep(0.2), sleep_until(soon), s(flow_collect)))
    await see.reaches(client, workflow, "succeeded")
    assert await value(client, "select bool_and(started_at >= $1) from jobs", soon)


async def test_a_workflow_past_its_time_limit_fails(engine: Engine, client: Client) -> None:
    flow = chain(si(flow_hold, 1, "never"), s(flow_collect))
    workflow = await see.start(client, flow, time_limit=timedelta(seconds=0.5))
    found = await see.ended(client, workflow)
    assert found.state == "failed"
    assert (found.error or {})["type"] == "TimeLimitExceeded"


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_whatever_ends_a_job_its_workflow_hears_of_it(engine: Engine, client: Client, end: str) -> None:
    """Given a job that some program ends by writing its row, then its workflow goes on within moments."""
    workflow = await see.start(client, graph({
        si(flow_value, 1).named("later").having(workflows.Options(delay=timedelta(hours=1))): [],
    }))  # fmt: skip
    await fetch(
        client, "update jobs set state = $1, outcome = $2, finished_at = now()", end, 2 if end == "failed" else 3
    )
    assert (await see.ended(client, workflow)).state == "failed"


async def test_a_person_runs_a_failed_job_again(engine: Engine, client: Client) -> None:
    """Given a workflow that has failed, when its failed job is queued again by itself and succeeds, then the workflow
    goes on from there."""
    from db.jobs import QUEUE_AGAIN

    workflow = await see.start(client, chain(si(flow_fail_unless, 3, "g"), s(flow_collect)))
    assert (await see.ended(client, workflow)).state == "failed"
    await go(client, "g")
    await fetch(client, QUEUE_AGAIN, [row["id"] for row in await fetch(client, "select id from jobs")])
    await see.reaches(client, workflow, "succeeded")
    assert await effects(client) == ["collect 3"]


async def test_workflows_that_end_together_do_not_wait_for_each_other(engine: Engine, client: Client) -> None:
    """Given 60 chords whose jobs end mixed with each other and with plain ones, then all of them end."""
    flows = [chord(group(*(si(flow_value, n) for n in range(10))), s(flow_collect)) for _ in range(60)]
    ids = await asyncio.gather(*(see.start(client, flow) for flow in flows))
    await asyncio.gather(*(enqueue(client, flow_value, n) for n in range(200)))
    for workflow in ids:
        assert (await see.ended(client, workflow)).state == "succeeded"
    assert len(await effects(client)) == 60
