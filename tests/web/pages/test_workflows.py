"""Tests of the pages of workflows, without a browser."""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI

from runtime.client import Client
from services import workflow_views as views
from services.workflows import chain, each, graph, s, start, wait_for
from tests.web.callers import caller, user
from tests.workflows.flow_actors import flow_add, flow_collect, flow_value
from web.pages.workflow_drawing import critical_path, draw
from web.pages.workflows import affected, following

HTML = {"Accept": "text/html"}


async def started(client: Client, flow: Any, name: str = "nightly") -> uuid.UUID:
    async with client.session() as session:
        made = await start(session, flow, name=name)
        await session.commit()
    return made.id


def branches() -> Any:
    a, b, c = s(flow_value, 1).named("a"), s(flow_add).named("b"), s(flow_collect).named("c")
    return graph({a: [], b: [a], c: [b], each(flow_add, [1, 2]).named("map"): []})


async def test_the_list_tells_how_far_each_has_come(person: httpx.AsyncClient, client: Client) -> None:
    """Given workflows, then the list has their steps and what runs now; it is filtered, and goes on page by page."""
    await started(client, branches())
    for _ in range(50):
        await started(client, s(flow_value, 1), "small")
    page = (await person.get("/workflows")).text
    assert "Older" in page
    assert page.count('<tr id="w') == 50
    found = (await person.get("/workflows?name=nightly&state=running")).text
    assert found.count('<tr id="w') == 1
    assert "0 of 5 steps, 0 of 2 jobs" in found
    assert "a, map" in found
    assert "No workflow fits" in (await person.get("/workflows?state=failed")).text


async def test_what_an_action_is_about(client: Client) -> None:
    """Given a graph in which a step failed, then each action names the steps that it does something to."""
    workflow = await started(client, branches())
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'failed' where name = 'map'")
    async with client.session() as session:
        places = await views.graph(session, workflow)
    named = {
        verb: [place.step.name for place in affected(places, verb, "b")]
        for verb in ("retry", "rerun", "skip", "cancel")
    }
    assert named["retry"] == ["map"]
    assert sorted(named["rerun"]) == ["b", "c", "join", "map"]
    assert named["skip"] == ["b"]
    assert sorted(named["cancel"]) == ["a", "b", "c", "join"]
    assert sorted(place.step.name for place in affected(places, "rerun")) == ["a", "b", "c", "join", "map"]
    then = {ended: following(places, "skip", "b", has_ended=ended) for ended in (False, True)}
    assert sorted(place.step.name for place in then[False]) == ["c", "join"]
    assert sorted(place.step.name for place in then[True]) == ["c", "join", "map"]
    assert following(places, "retry", "b", has_ended=True) == []


async def test_the_list_says_what_has_started_each(person: httpx.AsyncClient, client: Client) -> None:
    """Given workflows that a schedule, a job, a job that was deleted since, a key, a person and a program have
    started, then each says so, and leads there."""
    names = ("scheduled", "by a job", "by a lost job", "by a key", "by ana", "by nobody")
    made = {name: await started(client, s(flow_value, 1), name) for name in names}
    schedule, run, other, lost = (uuid.uuid4() for _ in range(4))
    async with client.database.connection() as connection:
        await connection.executemany(
            "insert into jobs (id, actor, queue, args, kwargs, owner)"
            " values ($1, 'nightly_import', 'q', '[]', '{}', $2)",
            [(run, None), (other, "bob")],
        )
        await connection.execute(
            "insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by)"
            " values (gen_random_uuid(), $1, 'Every night', now(), 'fired', $2, 'schedule')",
            schedule, run,
        )  # fmt: skip
        parents = {"scheduled": run, "by a job": other, "by a lost job": lost}
        await connection.executemany(
            "update workflows set parent_id = $2 where id = $1", [(made[name], job) for name, job in parents.items()]
        )
        await connection.execute("update workflows set owner = 'key:ci' where id = $1", made["by a key"])
        await connection.execute("update workflows set owner = 'ana' where id = $1", made["by ana"])
    page = (await person.get("/workflows")).text
    for said in (
        f'schedule <a href="/schedules/{schedule}">Every night</a>',
        f'job <a href="/jobs/{other}">nightly_import of bob</a>',
        f"job …{str(lost)[-8:]}, deleted since",
        "key ci", ">ana", "a program",
    ):  # fmt: skip
        assert said in page, said
    assert "by schedule" in (await person.get(f"/workflows/{made['scheduled']}")).text
    document = (await person.get(f"/api/v1/workflows/{made['by a job']}")).json()
    assert document["parent_id"] == str(other)


async def test_the_whole_is_run_again(person: httpx.AsyncClient, client: Client) -> None:
    """Given a workflow that has ended, when the whole of it is run again, then the question has named all steps, and
    each of them waits or runs."""
    workflow = await started(client, branches())
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'succeeded' where workflow_id = $1", workflow)
        await connection.execute(
            "update workflows set state = 'succeeded', finished_at = now() where id = $1", workflow
        )
    assert f'href="/workflows/{workflow}/rerun"' in (await person.get(f"/workflows/{workflow}")).text
    question = (await person.get(f"/workflows/{workflow}/rerun")).text
    assert "Run all of nightly again: 5 steps?" in question
    assert (await person.post(f"/workflows/{workflow}/rerun")).status_code == 303
    async with client.session() as session:
        states = {place.step.name: place.step.state for place in await views.graph(session, workflow)}
    assert states == {"a": "running", "map": "running", "b": "waiting", "c": "waiting", "join": "waiting"}


async def test_a_drawing_goes_from_left_to_right(client: Client) -> None:
    """Given a graph, then each step is drawn right of what it comes after, no two in one place, all within."""
    workflow = await started(client, branches())
    async with client.session() as session:
        drawing = draw(await views.graph(session, workflow))
    x = {node.place.step.name: node.x for node in drawing.nodes}
    assert all(x[before] < node.x for node in drawing.nodes for before in node.place.after)
    assert len({(node.x, node.y) for node in drawing.nodes}) == len(drawing.nodes) == 5
    assert all(0 <= node.x < drawing.width and 0 <= node.y < drawing.height for node in drawing.nodes)
    assert len(drawing.lines) == 4


async def test_a_workflow_is_cancelled_after_a_question(person: httpx.AsyncClient, client: Client) -> None:
    """Given a running workflow, when it is cancelled, then the question named the number, and it is not asked again."""
    here = f"/workflows/{await started(client, branches())}"
    assert "Cancel 5 steps" in (await person.get(f"{here}/cancel")).text
    done = await person.post(f"{here}/cancel", data={"reason": "not needed"})
    assert (done.status_code, done.headers["location"]) == (303, here)
    assert (await person.get(f"{here}/cancel")).status_code == 303
    assert (await person.post(f"{here}/pause")).status_code == 303
    assert "cancelled" in (await person.get(f"{here}?tab=steps")).text


async def test_a_viewer_looks_and_does_nothing(app: FastAPI, client: Client) -> None:
    here = f"/workflows/{await started(client, chain(wait_for('approved').named('wait'), s(flow_value)))}"
    async with caller(app, httpx.Headers(HTML), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for path in ("/workflows", here, f"{here}?tab=timeline", f"{here}?tab=steps", f"{here}/step?name=wait"):
            page = await viewer.get(path)
            assert page.status_code == 200, page.text
            assert "Cancel…" not in page.text
            assert "Send the event" not in page.text
        for verb in ("cancel", "pause", "skip", "event"):
            assert (await viewer.get(f"{here}/{verb}?step=wait")).status_code == 403
            assert (await viewer.post(f"{here}/{verb}", data={"step": "wait"})).status_code == 403


async def test_what_is_not_there_is_not_found(person: httpx.AsyncClient, client: Client) -> None:
    here = f"/workflows/{await started(client, s(flow_value, 1))}"
    for path in (f"/workflows/{uuid.uuid4()}", f"{here}/step?name=nix", f"{here}/skip?step=nix"):
        assert (await person.get(path, headers=HTML)).status_code == 404


TIMES = """
update workflow_steps s set state = t.state, started_at = w.created_at + make_interval(secs => t.began),
       finished_at = w.created_at + make_interval(secs => t.until)
from workflows w, (values ('a', 'succeeded', 0, 2), ('b', 'succeeded', 2, 3), ('map', 'succeeded', 0, 9),
                          ('c', 'running', 3, null)) t(name, state, began, until)
where s.workflow_id = w.id and s.name = t.name
"""


async def test_the_critical_path_is_what_a_workflow_took(person: httpx.AsyncClient, client: Client) -> None:
    """Given a workflow of two branches, of which one goes still, then the critical path is that one, from its first
    step on; once it has ended before the other, it is the other."""
    workflow = await started(client, branches())
    async with client.database.connection() as connection:
        await connection.execute(TIMES)
    async with client.session() as session:
        places = await views.graph(session, workflow)
    assert critical_path(places, datetime.now(UTC).replace(year=2100)) == ["a", "b", "c"]
    [c] = [place.step for place in places if place.step.name == "c"]
    assert c.started_at
    assert critical_path(places, c.started_at) == ["map"]
    drawing = draw(places, ["a", "b", "c"])
    assert [line.is_critical for line in drawing.lines].count(True) == 2
    page = (await person.get(f"/workflows/{workflow}?tab=graph")).text
    assert page.count("on the critical path") >= 1
    assert "on the critical path" in (await person.get(f"/workflows/{workflow}?tab=timeline")).text


async def test_nothing_is_critical_before_it_begins(client: Client) -> None:
    workflow = await started(client, wait_for("go"))
    async with client.database.connection() as connection:
        await connection.execute("update workflow_steps set state = 'waiting', started_at = null")
    async with client.session() as session:
        assert critical_path(await views.graph(session, workflow), datetime.now(UTC)) == []


async def test_a_panel_shows_a_step_beside_the_graph(person: httpx.AsyncClient, client: Client) -> None:
    """Given a step whose job has failed once and runs again, then the panel has its state, that attempt and its job;
    it comes with the page, and alone for the page's script. A step that there is not is not found."""
    here = f"/workflows/{await started(client, s(flow_value, 1).named('load'), 'orders')}"
    async with client.database.connection() as connection:
        job = await connection.fetchval("update jobs set attempt = 1 returning id")
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " values ($1, 1, gen_random_uuid(), now(), 'ValueError', 'no such order', '')",
            job,
        )
    script = {"HX-Request": "true", "HX-Target": "div#panel"}
    for headers in ({}, script):
        page = await person.get(f"{here}?tab=graph&step=load", headers=headers)
        assert page.status_code == 200
        assert "no such order" in page.text
        assert f'href="/jobs/{job}"' in page.text
        assert ("<html" in page.text) == (headers == {})
    assert "no such order" not in (await person.get(here)).text
    assert (await person.get(f"{here}?step=nothing", headers=HTML)).status_code == 404
