"""Chains, groups, chords, graphs and maps: what runs when, and what it is given."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Integer, column, select, text, values

from errors import BadArguments, BadRequest
from runtime.client import Client
from services.workflows import chain, chord, each, graph, group, s, si, start
from tests.runtime.engine import Engine
from tests.runtime.observing import effects, fetch, value
from tests.workflows import observing as see
from tests.workflows.flow_actors import (
    flow_add,
    flow_add_sync,
    flow_collect,
    flow_flaky,
    flow_in_transaction,
    flow_large,
    flow_limited,
    flow_start_another,
    flow_value,
)  # fmt: skip


async def outcome(client: Client, flow: Any) -> Any:
    """The result of a flow that succeeds: its last step's."""
    workflow = await see.start(client, flow)
    found = await see.ended(client, workflow)
    assert found.state == "succeeded", (found.error, await see.states_of(client, workflow))
    return (await see.steps(client, workflow))[-1].result


async def test_a_chain_passes_results_on(engine: Engine, client: Client) -> None:
    assert await outcome(client, chain(s(flow_value, 1), s(flow_add), s(flow_add_sync, 10), s(flow_add))) == 13


async def test_an_immutable_step_gets_its_own_arguments_only(engine: Engine, client: Client) -> None:
    assert await outcome(client, chain(s(flow_value, 1), si(flow_value, "own"))) == "own"


async def test_a_body_gets_the_list_of_results_in_order(engine: Engine, client: Client) -> None:
    flow = chord(group(*(s(flow_value, number) for number in range(50))), s(flow_collect))
    assert await outcome(client, flow) == list(range(50))
    assert await effects(client) == [f"collect {list(range(50))!r}"]


async def test_a_group_of_different_jobs_is_given_what_came_before(engine: Engine, client: Client) -> None:
    parts = group(s(flow_add, 1), si(flow_value, "own"), s(flow_add_sync, 2))
    assert await outcome(client, chain(s(flow_value, 10), parts, s(flow_collect))) == [11, "own", 12]


async def test_parts_nest(engine: Engine, client: Client) -> None:
    inner = chord(group(s(flow_add, 1), chain(s(flow_add, 2), s(flow_add, 3))), s(flow_collect))
    flow = chain(s(flow_value, 0), group(inner, s(flow_add, 100)), s(flow_collect))
    assert await outcome(client, flow) == [[1, 5], 100]


async def test_an_empty_group_and_an_empty_map_have_a_body_all_the_same(engine: Engine, client: Client) -> None:
    assert await outcome(client, chord([], s(flow_collect))) == []
    assert await outcome(client, chain(each(flow_value, []), s(flow_collect))) == []


async def test_a_graph(engine: Engine, client: Client) -> None:
    a, b, c, d = s(flow_value, 1).named("a"), s(flow_add, 1).named("b"), s(flow_add, 2).named("c"), s(flow_collect)
    assert await outcome(client, graph({a: [], d: [b, c, a], b: [a], c: [a]})) == [2, 3, 1]


async def test_a_map_over_a_list_is_windowed(engine: Engine, client: Client) -> None:
    """Given 1,300 items, 100 at a time, then never more than 100 jobs are to be done, and results are in order."""
    workflow = await see.start(client, chain(each(flow_add, range(1_300), 1, max_parallel=100), s(flow_collect)))
    most = 0
    while (await see.steps(client, workflow))[-1].state != "succeeded":
        most = max(most, await value(client, "select count(*) from jobs where outcome is null"))
    assert 0 < most <= 100
    assert (await see.steps(client, workflow))[-1].result == list(range(1, 1_301))


async def test_a_map_over_a_query_and_over_what_came_before(engine: Engine, client: Client) -> None:
    numbers = select(values(column("n", Integer), name="numbers").data([(n,) for n in range(700)]))
    assert await outcome(client, chain(each(flow_add, numbers), s(flow_collect))) == list(range(1, 701))
    two = select(values(column("n", Integer), column("m", Integer), name="pairs").data([(1, 2), (3, 4)]))
    assert await outcome(client, each(flow_value, two)) == [{"n": 1, "m": 2}, {"n": 3, "m": 4}]
    assert await outcome(client, chain(s(flow_value, [5, 6]), each(flow_add, None, 10), s(flow_collect))) == [15, 16]


async def test_a_predecessor_that_returns_no_list_fails_the_map(engine: Engine, client: Client) -> None:
    workflow = await see.start(client, chain(s(flow_value, {"a": 1}), each(flow_add), s(flow_collect)))
    assert (await see.ended(client, workflow)).state == "failed"
    assert (await see.step(client, workflow, "flow_add")).error == {
        "type": "NotAList", "message": "Its items are what its predecessor returns, and that is no list but a dict.",
    }  # fmt: skip


@pytest.mark.parametrize("early", [True, False])
async def test_a_job_that_ends_in_its_own_transaction(engine: Engine, client: Client, early: bool) -> None:
    assert await outcome(client, chain(s(flow_value, 1), s(flow_in_transaction, early), s(flow_add, 10))) == 12


async def test_limits_hold_for_steps_too(engine: Engine, client: Client) -> None:
    assert await outcome(client, chord(group(*(si(flow_limited, n) for n in range(5))), s(flow_collect))) == [*range(5)]


async def test_a_step_may_retry(engine: Engine, client: Client) -> None:
    assert await outcome(client, chain(si(flow_flaky, 5, 2), s(flow_add))) == 6


async def test_results_that_are_too_large_together_fail_the_step_with_advice(engine: Engine, client: Client) -> None:
    parts = group(si(flow_large, 200_000), si(flow_large, 200_000))
    workflow = await see.start(client, chord(parts, s(flow_collect)))
    assert (await see.ended(client, workflow)).state == "failed"
    error = (await see.steps(client, workflow))[0].error
    assert error is not None
    assert error["type"] == "TooLarge"
    assert "return references to it" in error["message"]

    # And a body that takes no results minds nothing
    assert await outcome(client, chord(parts, si(flow_value, "own"))) == "own"


async def test_a_workflow_that_is_rolled_back_never_was(client: Client) -> None:
    async with client.session() as session:
        await start(session, chain(s(flow_value, 1), s(flow_add)))
        await session.rollback()
    assert await fetch(client, "select from workflows union all select from jobs") == []


async def test_an_idempotency_key_is_its_owners(client: Client) -> None:
    async with client.session() as session:
        first = await start(session, s(flow_value, 1), owner="ada", idempotency_key="k")
        again = await start(session, s(flow_value, 2), owner="ada", idempotency_key="k")
        other = await start(session, s(flow_value, 3), owner="bob", idempotency_key="k")
        await session.commit()
    assert (first.created, again.created, other.created) == (True, False, True)
    assert again.id == first.id
    assert await value(client, "select count(*) from jobs") == 2


a, b = s(flow_value, 1), s(flow_add, 1)


@pytest.mark.parametrize(
    ("flow", "problem"),
    [
        (chain(), "chain() has no parts"),
        (graph({}), "graph() has no parts"),
        (graph({a: [b], b: [a]}), "in a circle"),
        (graph({b: [a]}), "no keys of it"),
        (each(flow_add), "here it has none"),
        (each(flow_add, [1], max_parallel=0), "max_parallel 0"),
        (each(flow_add, [{1, 2}]), "items[0] is a set"),
        (s(flow_value), "cannot be called so"),
        (chain(s(flow_value, 1), s(flow_value, 2)), "use si() for a step that takes none"),
        (s(flow_value, float("nan")), "nan, which JSON does not have"),
        (s(flow_value, "x" * 300_000), "pass a reference"),
        (s(flow_value, 1).named(""), "between 1 and 200"),
    ],
)
async def test_bad_flows_cost_nothing(client: Client, flow: Any, problem: str) -> None:
    async with client.session() as session:
        with pytest.raises((BadRequest, BadArguments)) as refused:
            await start(session, flow, time_limit=timedelta(hours=1))
        assert problem in str(refused.value)
        assert (await session.execute(text("select count(*) from workflows"))).scalar() == 0


async def test_a_workflow_knows_which_job_has_started_it(engine: Engine, client: Client) -> None:
    """Given a job of a workflow that starts another one, then that one has it as its parent; the first has none."""
    first = await see.start(client, s(flow_start_another))
    assert (await see.ended(client, first)).parent_id is None
    [step] = await see.steps(client, first)
    started = await see.ended(client, uuid.UUID(step.result))
    assert started.parent_id == await value(client, "select id from jobs where workflow_id = $1", first)
