"""Tests of saved views and of the export, without a browser."""

import csv
import io

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services import export, views
from services.search import Filter
from tests.web.callers import caller, user
from tests.web.pages import rows


async def test_a_view_is_saved_shown_renamed_and_deleted(person: httpx.AsyncClient) -> None:
    saved = await person.post("/jobs/views", data={"name": "Failed mails", "q": "state:failed queue:email"})
    assert saved.status_code == 303
    shown = (await person.get("/jobs")).text
    assert 'href="/jobs?q=state%3Afailed+queue%3Aemail">Failed mails</a>' in shown
    renamed = await person.post("/jobs/views/rename", data={"view": "Failed mails", "name": "Lost mails"})
    assert renamed.status_code == 303
    assert "Lost mails" in (await person.get("/jobs/views")).text
    assert (await person.post("/jobs/views/delete", data={"view": "Lost mails"})).status_code == 303
    assert "No saved views" in (await person.get("/jobs/views")).text
    assert (await person.post("/jobs/views/delete", data={"view": "Lost mails"})).status_code == 303


async def test_a_name_is_used_once(person: httpx.AsyncClient, client: Client) -> None:
    """Given two views, then saving under a name that is taken replaces that one, and renaming to it is refused."""
    for name, query in (("a", "state:paused"), ("b", "state:queued"), ("a", "state:running")):
        assert (await person.post("/jobs/views", data={"name": name, "q": query})).status_code == 303
    refused = await person.post("/jobs/views/rename", data={"view": "b", "name": "a"})
    assert refused.status_code == 422
    assert "There is a view &#39;a&#39; already" in refused.text
    empty = await person.post("/jobs/views/rename", data={"view": "b", "name": " "})
    assert empty.status_code == 422
    shown = (await person.get("/jobs/views")).text
    assert "state:running" in shown
    assert "state:queued" in shown
    assert "state:paused" not in shown


async def test_views_are_each_persons_own(person: httpx.AsyncClient, app: FastAPI, program: httpx.AsyncClient) -> None:
    """Given an administrator's view, then a viewer sees it not, and has views too; a key has none."""
    await person.post("/jobs/views", data={"name": "mine", "q": "state:failed"})
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        assert "mine" not in (await viewer.get("/jobs/views")).text
        assert (await viewer.post("/jobs/views", data={"name": "hers", "q": ""})).status_code == 303
        assert "hers" in (await viewer.get("/jobs")).text
    assert (await program.get("/jobs/views")).status_code == 403
    assert (await program.get("/jobs")).status_code == 200


async def test_there_are_so_many_and_no_more(person: httpx.AsyncClient, client: Client) -> None:
    for number in range(views.MOST + 1):
        await person.post("/jobs/views", data={"name": f"view {number:02}", "q": ""})
    assert (await person.get("/jobs/views")).text.count("Rename view") == views.MOST


async def test_what_is_found_is_exported(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs of two states, then the file has those of the search, and what looks like a formula is none."""
    await rows.live(client, 2)
    await rows.ended(client, 3, "failed")
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set owner = '=1+1', error = $1 where outcome = 2",
            '{"type": "E", "message": "password=hunter2"}',
        )
    answer = await program.get("/jobs/export.csv?q=state:failed")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('-3.csv"')
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["state"] for row in table] == ["failed"] * 3
    assert {row["owner"] for row in table} == {"'=1+1"}
    assert "hunter2" not in answer.text


async def test_an_export_is_bounded(client: Client) -> None:
    await rows.live(client, 30)
    async with client.session() as session:
        part = await export.jobs(session, Filter(), most=20)
        whole = await export.jobs(session, Filter(), most=30)
    assert (part.rows, part.is_whole) == (20, False)
    assert (whole.rows, whole.is_whole) == (30, True)
    assert len({row["id"] for row in csv.DictReader(io.StringIO(whole.text))}) == 30


@pytest.mark.parametrize("q", ["state:odd", "created:soon"])
async def test_a_search_that_is_not_understood_is_not_exported(program: httpx.AsyncClient, q: str) -> None:
    assert (await program.get("/jobs/export.csv", params={"q": q})).status_code == 422
