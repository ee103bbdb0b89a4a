"""Random graphs and many chords, on two workers and more that are killed: everything comes out as it must."""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.models import WorkflowStep
from runtime.client import Client
from runtime.flow import MAX_PARALLEL, Join, OnFailure
from services.workflows import Flow, chain, chord, each, graph, group, s, si
from tests.conftest import StartProcess
from tests.runtime.observing import effects, fetch, value
from tests.support.process import Process
from tests.support.waiting import wait_for
from tests.workflows import observing as see
from tests.workflows.flow_actors import flow_body, flow_child, flow_item, flow_node, flow_undo

ACTORS = "tests.workflows.flow_actors"
LEASE = {"WORKER_LEASE": "3"}


@dataclass(frozen=True)
class Node:
    after: tuple[int, ...]
    fails: bool
    join: Join
    on_failure: OnFailure
    width: int  # 0: one job; else so many items

    def flow(self, number: int) -> Any:
        step: Any = s(flow_node, fails=self.fails)
        if self.width:
            step = each(flow_item, list(range(self.width)), fails=self.width - 1 if self.fails else -1)
        return step.named(str(number)).joining(self.join).failing(self.on_failure).undone_by(s(flow_undo, str(number)))


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Node, ...]:
    """A graph of up to 60 steps, as they come: each after some of the ten before it."""
    number = draw(st.integers(1, 60))
    some = st.lists(st.integers(1, 10), max_size=3, unique=True)
    return tuple(
        Node(
            tuple(place - back for back in draw(some) if back <= place),
            draw(st.integers(0, 9)) == 0,
            draw(st.sampled_from(("all_succeeded", "all_succeeded", "all_done", "any_succeeded"))),
            draw(st.sampled_from(("continue", "continue", "continue", "fail", "compensate"))),
            draw(st.sampled_from((0, 0, 0, 1, 5))),
        )
        for place in range(number)
    )


def evaluate(graph_: tuple[Node, ...]) -> list[str]:
    """The states that the steps would end in if nothing stopped the workflow."""
    states: list[str] = []
    for node in graph_:
        hits = [states[one] == "succeeded" for one in node.after]
        is_met = {
            "all_succeeded": all(hits), "all_done": True, "any_succeeded": any(hits) or not hits,
        }[node.join]  # fmt: skip
        states.append("cancelled" if not is_met else "failed" if node.fails else "succeeded")
    return states


def check(graph_: tuple[Node, ...], state: str, steps: list[WorkflowStep]) -> None:
    """What came out is what the evaluator says; where a failure stopped the workflow, some was cancelled instead."""
    expected = evaluate(graph_)
    found = [step for step in steps if step.undoes is None and step.name != "join"]
    found.sort(key=lambda step: int(step.name))
    stoppers = {
        node.on_failure for node, end in zip(graph_, expected, strict=True)
        if end == "failed" and node.on_failure != "continue"
    }  # fmt: skip
    assert (
        state in ({"fail": "failed", "compensate": "compensated"}[one] for one in stoppers)
        if stoppers
        else (state == "succeeded")
    )
    for node, end, step in zip(graph_, expected, found, strict=True):
        assert step.state == end or (stoppers and step.state == "cancelled"), (step.name, step.state, end)
        ends = [found[one].finished_at for one in node.after if found[one].state == "succeeded"]
        if step.started_at is not None and node.join == "all_succeeded":
            assert all(at is not None and at <= step.started_at for at in ends), f"{step.name} began too early"
    undone = [step for step in steps if step.undoes is not None and step.state == "succeeded"]
    if state == "compensated":
        assert len(undone) == sum(step.state == "succeeded" for step in found)
    else:
        assert undone == []


def play(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=examples < 5, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip


async def run_graphs(
    client: Client, worker: StartProcess, workers: list[Process], graphs: list[tuple[Node, ...]]
) -> None:
    ids = []
    for one in graphs:
        parts: list[Flow] = []
        for place, node in enumerate(one):
            parts.append(node.flow(place))
        ids.append(await see.start(client, graph({
            part: [parts[other] for other in node.after] for part, node in zip(parts, one, strict=True)
        })))  # fmt: skip
    workers.pop(0).kill()
    workers.append(await worker(ACTORS, **LEASE))
    for workflow, one in zip(ids, graphs, strict=True):
        ended = await see.ended(client, workflow, timeout=120)
        steps = await see.steps(client, workflow)
        check(one, ended.state, steps)
    # No run of a step has more jobs than it has items: nothing was begun twice.
    assert await fetch(client, "select from jobs group by step_run, item having count(*) > 1") == []
    assert await value(client, "select count(*) from jobs where outcome is null or not is_reported") == 0


@play(2)
@given(graphs=st.lists(nodes(), min_size=5, max_size=5))
async def test_random_graphs(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, processes: list[Process], graphs: Any
) -> None:
    await all_graphs(client, worker, scheduler, processes, graphs)


@pytest.mark.long
@pytest.mark.timeout(3600)
@play(40)
@given(graphs=st.lists(nodes(), min_size=5, max_size=5))
async def test_very_many_random_graphs(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess, processes: list[Process], graphs: Any
) -> None:
    await all_graphs(client, worker, scheduler, processes, graphs)


async def all_graphs(
    client: Client, worker: StartProcess, scheduler: StartProcess, processes: list[Process], graphs: Any
) -> None:
    """Given two workers and a scheduler, when random graphs run while a worker is killed, then all is as foretold."""
    if not any("scheduling" in process.command for process in processes):
        await scheduler(**LEASE)
    workers = [one for one in processes if one.command[0] == "dramatiq" and one.code is None]
    while len(workers) < 2:
        workers.append(await worker(ACTORS, **LEASE))
    await run_graphs(client, worker, workers, graphs)


async def chords(
    client: Client,
    worker: StartProcess,
    scheduler: StartProcess,
    *,
    number: int,
    children: int,
    workers: int,
    kills: int,
) -> None:
    await scheduler(**LEASE)
    running = [await worker(ACTORS, **LEASE) for _ in range(workers)]
    ids = [
        await see.start(
            client, chord(group(*(si(flow_child, n) for n in range(children))), s(flow_body, f"chord {one}"))
        )
        for one in range(number)
    ]
    for kill in itertools.count():
        if kill >= kills or await value(client, "select bool_and(finished_at is not null) from workflows"):
            break
        running.pop(0).kill()
        starting = asyncio.ensure_future(worker(ACTORS, **LEASE))
        await asyncio.sleep(1)  # the fault's own rhythm, no wait for an outcome
        running.append(await starting)
    for workflow in ids:
        assert (await see.ended(client, workflow, timeout=300)).state == "succeeded"
    expected = sorted(f"chord {one} {sum(range(children))}" for one in range(number))
    assert sorted(await effects(client)) == expected


async def test_bodies_run_once_though_workers_are_killed(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given 20 chords of 20, when workers are killed thrice, then each body's effect is there once."""
    await chords(client, worker, scheduler, number=20, children=20, workers=2, kills=3)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_200_bodies_run_once_under_a_kill_each_second(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given 200 chords of 50, when a worker is killed every second, then each body's effect is there once."""
    await chords(client, worker, scheduler, number=200, children=50, workers=5, kills=60)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_100_000_items_are_never_100_000_rows_at_once(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a map over 100,000 items, then some hundred rows hold them, and some thousand jobs are there to be done."""
    await scheduler()
    await worker(ACTORS)
    workflow = await see.start(client, chain(each(flow_item, range(100_000), fails=-1), si(flow_node, fails=False)))
    assert await value(client, "select count(*) from workflow_items") == 200
    most = 0

    async def look() -> bool:
        nonlocal most
        most = max(most, await value(client, "select count(*) from jobs where outcome is null"))
        return bool(await value(client, "select finished_at is not null from workflows where id = $1", workflow))

    await wait_for(look, 800, "the end of 100,000 items")
    assert 0 < most <= MAX_PARALLEL
    assert (await see.ended(client, workflow)).state == "succeeded"
    assert await value(client, "select count(distinct item) from jobs where outcome = 1") == 100_000
