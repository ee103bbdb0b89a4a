"""The workflows of actors/workflow.py, as they are."""

from actors.workflow import ORDER, order, parallel_processing, profiling
from runtime.client import Client
from tests.runtime.engine import Engine
from tests.workflows import observing as see


async def test_profiling(engine: Engine, client: Client) -> None:
    """Given the tables of the run, then the profile of one finds its empty columns, and that its ids are unique."""
    workflow = await see.start(client, profiling("workflows"))
    assert (await see.ended(client, workflow)).state == "succeeded"
    report = (await see.steps(client, workflow))[-1].result
    assert report is not None
    assert (report["table"], report["rules"]) == ("workflows", 14)
    assert {"column": "owner", "rule": "not null", "rows": 1, "broken": 1} in report["broken"]
    assert "id" not in {one["column"] for one in report["broken"]}

    # And a table that is not there fails it at once
    workflow = await see.start(client, profiling("nix"))
    assert (await see.ended(client, workflow)).state == "failed"


async def test_parallel_processing(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, parallel_processing(["the cat and the dog", "the end"]))
    assert (await see.ended(client, workflow)).state == "succeeded"
    result = (await see.steps(client, workflow))[-1].result
    assert result == {"the": 3, "cat": 1, "and": 1, "dog": 1, "end": 1}


async def test_an_order_that_is_fulfilled(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, order("4711"))
    assert (await see.ended(client, workflow)).state == "succeeded"
    states = await see.states_of(client, workflow)
    assert {states[action] for action, _ in ORDER} == {"succeeded"}
    assert {states[undo] for _, undo in ORDER if undo} == {"held"}
    began = [step for step in await see.steps(client, workflow) if step.started_at is not None]
    began.sort(key=lambda step: str(step.started_at))
    assert [step.name for step in began] == [action for action, _ in ORDER]
    assert all(step.finished_at is not None for step in began)


async def test_an_order_that_is_refused(engine: Engine, client: Client) -> None:
    """Given an order that cannot be packed, then what was done before is undone, the last first, and nothing else."""
    workflow = await see.start(client, order("4711", refused_at="pack"))
    found = await see.ended(client, workflow)
    assert found.state == "compensated"
    assert found.error == {"type": "StepFailed", "message": "The step 'pack' failed.", "step": "pack"}
    done = [undo for action, undo in ORDER[:9] if undo]
    steps = {step.name: step for step in await see.steps(client, workflow)}
    assert [steps[undo].state for undo in done] == ["succeeded"] * 6
    assert steps["unpack"].state == "held"
    times = [steps[undo].finished_at for undo in done]
    assert times == sorted(times, key=lambda at: str(at), reverse=True)
    assert steps["refund the payment"].result == "refund the payment"
    assert steps["write to the customer"].state == "cancelled"
