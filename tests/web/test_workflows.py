"""Workflows through the API."""

import uuid
from typing import Any

import httpx

from runtime.client import Client
from services.workflows import chain, each, graph, s, si, start, wait_for
from tests.runtime.observing import fetch
from tests.web.callers import OWNER, assert_problem
from tests.workflows.flow_actors import flow_add, flow_collect, flow_value


async def started(client: Client, flow: Any, **options: Any) -> uuid.UUID:
    async with client.session() as session:
        made = await start(session, flow, **options)
        await session.commit()
    return made.id


async def test_a_workflow_is_shown_with_its_graph(program: httpx.AsyncClient, client: Client) -> None:
    a, b, c = s(flow_value, 1).named("a"), s(flow_add).named("b"), s(flow_collect).named("c")
    flow = graph({a: [], b: [a], c: [b, a], each(flow_add, [1, 2, 3]).named("map"): []})
    workflow = await started(client, flow, name="nightly", owner="ada")

    # Then the list has it
    page = (await program.get("/api/v1/workflows", params={"name": "nightly", "state": "running"})).json()
    assert page["next"] is None
    (found,) = page["workflows"]
    assert (found["id"], found["owner"], found["progress"]) == (
        str(workflow), "ada", {"steps": 5, "ended": 0, "failed": 0, "items": 3, "items_ended": 0},
    )  # fmt: skip

    # And one sees what comes after what, and where it is drawn
    detail = (await program.get(f"/api/v1/workflows/{workflow}")).json()
    drawn = {step["name"]: (step["layer"], step["after"], step["state"]) for step in detail["steps"]}
    assert drawn == {
        "a": (0, [], "running"), "b": (1, ["a"], "waiting"), "c": (2, ["b", "a"], "waiting"),
        "map": (0, [], "running"), "join": (3, ["c", "map"], "waiting"),
    }  # fmt: skip
    jobs = (await program.get(f"/api/v1/workflows/{workflow}/steps/map/jobs", params={"after": 0})).json()
    assert [(job["item"], job["state"]) for job in jobs] == [(1, "queued"), (2, "queued")]
    assert_problem(await program.get(f"/api/v1/workflows/{workflow}/steps/nix/jobs"), 404)


async def test_pages_follow_each_other(program: httpx.AsyncClient, client: Client) -> None:
    ids = [str(await started(client, s(flow_value, n))) for n in range(5)]
    first = (await program.get("/api/v1/workflows", params={"limit": 3})).json()
    second = (await program.get("/api/v1/workflows", params={"limit": 3, "before": first["next"]})).json()
    assert [found["id"] for found in first["workflows"] + second["workflows"]] == ids[::-1]


async def test_an_event_is_told_once(program: httpx.AsyncClient, client: Client) -> None:
    workflow = await started(client, chain(wait_for("approved"), s(flow_collect)))
    address = f"/api/v1/workflows/{workflow}/events"
    assert_problem(await program.post(f"{address}/aproved", json={}), 404)
    told = await program.post(f"{address}/approved", json={"payload": {"by": "ada"}})
    assert told.status_code == 200, told.text
    assert [(step["state"], step["result"]) for step in told.json()["steps"]] == [
        ("succeeded", {"by": "ada"}), ("running", None),
    ]  # fmt: skip
    assert_problem(await program.post(f"{address}/approved", json={}), 409)
    assert_problem(await program.post(f"{address}/approved", json={"payload": 1, "more": 2}), 422)


async def test_what_people_do_is_done_and_noted(program: httpx.AsyncClient, client: Client) -> None:
    workflow = await started(client, chain(si(flow_value, 1).named("first"), s(flow_collect)))
    address = f"/api/v1/workflows/{workflow}"
    assert (await program.post(f"{address}/pause", json={"reason": "r"})).json()["state"] == "paused"
    assert_problem(await program.post(f"{address}/pause", json={}), 409)
    assert (await program.post(f"{address}/resume", json={})).json()["state"] == "running"
    assert (await program.post(f"{address}/cancel", json={})).json()["state"] == "cancelled"
    assert_problem(await program.post(f"{address}/skip", json={"step": "nix"}), 404)
    skipped = (await program.post(f"{address}/skip", json={"step": "first", "result": 5})).json()
    assert [step["state"] for step in skipped["steps"]] == ["skipped", "running"]
    await program.post(f"{address}/cancel", json={})
    assert (await program.post(f"{address}/rerun", json={"step": "first"})).json()["state"] == "running"
    await program.post(f"{address}/cancel", json={})
    assert (await program.post(f"{address}/retry", json={})).json()["state"] == "running"
    rows = await fetch(client, "select who, action from audit where target = $1 order by id", str(workflow))
    assert {row["who"] for row in rows} == {OWNER}
    assert [row["action"].removeprefix("workflow.") for row in rows] == [
        "pause", "resume", "cancel", "skip", "cancel", "rerun", "cancel", "retry",
    ]  # fmt: skip


async def test_the_whole_is_run_again(program: httpx.AsyncClient, client: Client) -> None:
    """Given an ended workflow of which one step was done, when it is run again without a step, then all of it is; a
    step that is empty, or that it does not have, is none."""
    workflow = await started(client, chain(si(flow_value, 1).named("first"), s(flow_collect)))
    address = f"/api/v1/workflows/{workflow}"
    await program.post(f"{address}/skip", json={"step": "first"})
    await program.post(f"{address}/cancel", json={})
    assert_problem(await program.post(f"{address}/rerun", json={"step": ""}), 422)
    assert_problem(await program.post(f"{address}/rerun", json={"step": "nix"}), 404)
    again = (await program.post(f"{address}/rerun", json={"reason": "all"})).json()
    assert (again["state"], [step["state"] for step in again["steps"]]) == ("running", ["running", "waiting"])
    assert_problem(await program.post(f"{address}/rerun", json={}), 409)
    (row,) = await fetch(client, "select reason, details::text from audit where action = 'workflow.rerun'")
    assert tuple(row) == ("all", '{"step": null}')


async def test_no_workflow(program: httpx.AsyncClient, client: Client) -> None:
    address = f"/api/v1/workflows/{uuid.uuid4()}"
    assert_problem(await program.get(address), 404)
    assert_problem(await program.post(f"{address}/cancel", json={}), 404)
    assert_problem(await program.get("/api/v1/workflows/nix"), 422)
    assert_problem(await program.get("/api/v1/workflows", params={"state": "nix"}), 422)
