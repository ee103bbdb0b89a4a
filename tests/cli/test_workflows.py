"""Tests of `callboard workflows …`."""

import json
from pathlib import Path

from runtime.client import Client
from services.workflows import chain, each, graph, s, start, wait_for
from tests.cli.callboard import callboard
from tests.runtime.observing import fetch
from tests.workflows.flow_actors import flow_add, flow_collect, flow_value


async def test_look_and_act(client: Client) -> None:
    # Given a workflow that nobody works on
    a, b = s(flow_value, 1).named("a"), s(flow_collect).named("b")
    flow = chain(graph({a: [], each(flow_add, [1, 2]).named("many"): [], b: [a]}), s(flow_collect).named("last"))
    async with client.session() as session:
        workflow = str((await start(session, flow, name="nightly")).id)
        await session.commit()

    # Then it is listed, shown and drawn
    listed = await callboard("workflows", "list", "--json")
    assert listed.code == 0, listed.err
    (row,) = listed.json
    assert (row["id"], row["name"], row["steps"], row["items"]) == (workflow, "nightly", 5, 2)
    shown = (await callboard("workflows", "show", workflow, "--json")).json
    assert [step["name"] for step in shown["steps"]] == ["a", "many", "b", "join", "last"]
    assert "many" in (await callboard("workflows", "show", workflow)).out
    drawn = (await callboard("workflows", "graph", workflow)).out.splitlines()
    assert drawn[0] == "nightly  running"
    assert drawn[1].strip().startswith("├── a")
    assert any("after many, b" in line or "after b, many" in line for line in drawn)

    # And people act on it
    cancelled = await callboard("workflows", "cancel", workflow, "--reason", "enough", "--json")
    assert cancelled.json["id"] == workflow
    assert (await callboard("workflows", "retry", workflow)).code == 0
    assert (await callboard("workflows", "event", workflow, "approved")).code == 3
    await callboard("workflows", "cancel", workflow)
    assert (await callboard("workflows", "rerun", workflow, "")).code == 3
    assert "does all of it again" in (await callboard("workflows", "rerun", workflow, "--reason", "all")).out
    await callboard("workflows", "cancel", workflow)
    assert "does a again" in (await callboard("workflows", "rerun", workflow, "a")).out
    noted = await fetch(client, "select action, reason from audit order by id")
    assert [tuple(row) for row in noted] == [
        ("workflow.cancel", "enough"), ("workflow.retry", None), ("workflow.cancel", None), ("workflow.rerun", "all"),
        ("workflow.cancel", None), ("workflow.rerun", None),
    ]  # fmt: skip


async def test_what_is_said_goes_to_whoever_comes_next(client: Client, tmp_path: Path) -> None:
    # Given a workflow that waits for a word, with work after it that nobody does
    wait, work = wait_for("approved"), s(flow_collect).named("work")
    flow = graph({wait: [], s(flow_collect): [wait], work: [wait], s(flow_collect): [work]})
    async with client.session() as session:
        workflow = str((await start(session, flow)).id)
        await session.commit()
    (tmp_path / "result.json").write_text('{"rows": [1, 2]}')

    # When work is skipped, and the word is said, each with a value
    skipped = await callboard("workflows", "skip", workflow, "work", "--result", f"@{tmp_path / 'result.json'}")
    assert skipped.code == 0, skipped.err
    wrong = await callboard("workflows", "event", workflow, "approved", "--payload", "{who: Ada}")
    told = await callboard("workflows", "event", workflow, "approved", "--payload", '{"who": "Ada"}')
    assert told.code == 0, told.err

    # Then what comes after each was given its value, and what is not JSON was not said
    assert (wrong.code, wrong.err.startswith("--payload is not JSON")) == (1, True)
    jobs = await fetch(client, "select args::text from jobs order by id")
    assert [json.loads(row["args"]) for row in jobs] == [[{"rows": [1, 2]}], [{"who": "Ada"}]]
