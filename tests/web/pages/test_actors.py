"""Tests of the pages of actors, without a browser."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from db.models import Job
from runtime.client import Client
from services import actors, audit, jobs
from tests.web.callers import caller, user
from tests.web.pages import rows

NEEDED = {"arg.size": "large", "arg.count": "3", "arg.price": "4.5"}
FORM = "/actors/order_from_a_form/enqueue"


async def made(client: Client, response: httpx.Response) -> Job:
    assert response.status_code == 303, response.text
    async with client.session() as session:
        return await jobs.get(session, uuid.UUID(response.headers["location"].removeprefix("/jobs/")))


async def test_an_actor_says_what_it_is_and_how_it_does(program: httpx.AsyncClient, client: Client) -> None:
    """Given an actor whose jobs were counted, then the list and its page show its figures, signature and docstring."""
    await rows.counted(client, "order_from_a_form", "web-tests", 1, 30)
    await rows.counted(client, "order_from_a_form", "web-tests", 2, 10)
    listed = await program.get("/actors?period=1h")
    assert "25.0 %" in listed.text
    for period in ("1h", "24h", "7d", "30d"):
        page = (await program.get(f"/actors/order_from_a_form?period={period}")).text
        assert "25.0 %" in page
        assert "Take an order." in page
        assert "Never tried again." in page
        assert "count: int" in page


@pytest.mark.parametrize("block", ["figures", "charts"])
async def test_a_part_is_refreshed_alone(program: httpx.AsyncClient, block: str) -> None:
    part = await program.get("/actors/welcome", headers={"HX-Request": "true", "HX-Target": f"div#{block}"})
    assert part.status_code == 200, part.text
    assert "<html" not in part.text


async def test_an_actor_of_others_is_known_by_its_jobs(program: httpx.AsyncClient, client: Client) -> None:
    assert (await program.get("/actors/of_others")).status_code == 404
    await rows.ended(client, 1, actor="of_others")
    page = await program.get("/actors/of_others")
    assert "This process does not know it" in page.text
    assert "/enqueue" not in page.text
    for path in ("/actors/of_others/enqueue", "/actors/of_others/pause"):
        assert (await program.get(path)).status_code == 404


async def test_a_filled_in_form_makes_a_job(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form with arguments and options, then the job has them, the person owns it, and the audit says so."""
    typed = {
        **NEEDED, "arg.details": '{"colour": "red"}', "arg.urgent": "true", "priority": "-5",
        "run_at": "2030-01-02T03:04", "tags": "a, b", "unique_key": "k-1", "queue": "web-tests",
    }  # fmt: skip
    assert 'name="arg.size"' in (await person.get(FORM)).text
    job = await made(client, await person.post(FORM, data=typed))
    assert job.kwargs == {"size": "large", "count": 3, "price": 4.5, "details": {"colour": "red"}, "urgent": True}
    assert (job.priority, job.owner, job.tags, job.unique_key) == (-5, "admin", ["a", "b"], "k-1")
    assert job.run_at == datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    async with client.session() as session:
        assert [note.action for note in await audit.of_job(session, job.id)] == ["job.enqueue"]
    again = await made(client, await person.post(FORM, data=typed))
    assert again.id == job.id


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"arg.count": "many"}, "arg.count", "is not a whole number"),
        ({"arg.details": "{"}, "arg.details", "not JSON"),
        ({"arg.note": "a\0b"}, "arg.note", "NUL"),
        ({"priority": "high"}, "priority", "whole number"),
        ({"priority": "99999"}, "priority", "not within"),
        ({"delay": "soon"}, "delay", "90s, 5m"),
        ({"delay": "5m", "run_at": "2030-01-01T00:00"}, "", "not both"),
        ({"run_at": "tomorrow"}, "run_at", "no time"),
        ({"queue": "nowhere"}, "queue", "No actor is declared"),
        ({"tags": "x" * 501}, "tags", "between 1 and 500"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:20],
)
async def test_what_is_wrong_is_said_at_its_field(
    person: httpx.AsyncClient, client: Client, typed: dict[str, Any], field: str, says: str
) -> None:
    """Given a value that does not fit, then no job is made, its field says so, and what was typed is kept."""
    page = await person.post(FORM, data=NEEDED | typed | {"unique_key": "what I typed"})
    assert page.status_code == 422
    assert says in page.text
    if field:
        assert f'id="{field}-wrong"' in page.text
    assert 'value="what I typed"' in page.text
    async with client.database.connection() as connection:
        assert await connection.fetchval("select count(*) from jobs") == 0


async def test_what_is_wrong_among_the_rest_is_said_at_its_field(person: httpx.AsyncClient) -> None:
    """Given a value that cannot be kept, far back in a list for *args, then the field of *args says so."""
    tokens = json.dumps([*"abcdefgh", "a\0b"])
    typed = {"arg.name": "Ada", "arg.password": "-", "arg.tokens": tokens}
    page = await person.post("/actors/sign/enqueue", data=typed)
    assert page.status_code == 422
    assert "args[10]" in page.text
    assert 'id="arg.tokens-wrong"' in page.text


async def test_a_secret_is_not_shown_while_it_is_typed(person: httpx.AsyncClient) -> None:
    page = (await person.get("/actors/sign/enqueue")).text
    assert 'type="password" id="arg.password"' in page
    assert "a JSON array" in page  # *tokens


async def test_an_actor_is_paused_for_a_reason(person: httpx.AsyncClient, client: Client) -> None:
    assert (await person.post("/actors/welcome/pause", data={"reason": ""})).status_code == 422
    assert (await person.post("/actors/welcome/pause", data={"reason": "a defect"})).status_code == 303
    async with client.session() as session:
        assert (await actors.get(session, "welcome")).reason == "a defect"
    for path in ("/actors", "/actors/welcome", "/actors/welcome/enqueue"):
        assert "a defect" in (await person.get(path)).text
    assert (await person.post("/actors/welcome/resume")).status_code == 303
    async with client.session() as session:
        assert not (await actors.get(session, "welcome")).is_paused


async def test_a_viewer_cannot_enqueue(app: FastAPI) -> None:
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        assert "Enqueue…" not in (await viewer.get("/actors")).text
        assert "Enqueue…" not in (await viewer.get("/actors/welcome")).text
        assert (await viewer.get("/actors/welcome/enqueue")).status_code == 403
        assert (await viewer.post("/actors/welcome/enqueue", data={"arg.name": "Ada"})).status_code == 403
        assert (await viewer.post("/actors/welcome/pause", data={"reason": "x"})).status_code == 403


async def a_limit(client: Client, key: str = "welcome:acme") -> None:
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ($1, 3)", key)


async def test_a_limit_is_set_otherwise_and_reset(person: httpx.AsyncClient, client: Client) -> None:
    """Given a key that is in use, then its limit is set in a form, which says what is wrong at its field; the actor's
    page says who has set it, and what the code has; and it is reset."""
    await a_limit(client)
    here, key = "/actors/welcome", {"key": "welcome:acme"}
    assert f'href="{here}/limit?key=welcome%3Aacme"' in (await person.get(here)).text
    form = (await person.get(f"{here}/limit", params=key)).text
    assert 'name="concurrency" type="number" min="1" max="100000" value="3"' in form
    assert 'name="rate_limit"' not in form
    for wrong, field in (
        ({"concurrency": "0"}, "concurrency"), ({"concurrency": "x"}, "concurrency"), ({"reason": " "}, "reason"),
        ({"rate_limit": "1/s"}, "reason"), ({"concurrency": ""}, "concurrency"),
    ):  # fmt: skip
        refused = await person.post(f"{here}/limit", data=key | {"concurrency": "7", "reason": "they paid"} | wrong)
        assert refused.status_code == 422, wrong
        assert f'id="{field}-wrong"' in refused.text, wrong
    done = await person.post(f"{here}/limit", data=key | {"concurrency": "7", "reason": "they paid"})
    assert (done.status_code, done.headers["location"]) == (303, here)
    for headers in ({}, {"HX-Request": "true", "HX-Target": "div#figures"}):
        page = (await person.get(here, headers=headers)).text
        for text in ("/ 7", "by admin", "they paid", "instead of 3 at once", f"{here}/limit?key=welcome%3Aacme"):
            assert text in page, text
    assert (await person.post(f"{here}/limit/reset", data=key)).status_code == 303
    assert "as the code has it" in (await person.get(here)).text
    again = await person.post(f"{here}/limit/reset", data=key, follow_redirects=True)
    assert "as the code declares it already" in again.text


async def test_a_limit_of_another_actor_is_not_found(person: httpx.AsyncClient, client: Client) -> None:
    await a_limit(client, "welcomed")
    for key in ("welcomed", "sign:x", "welcome:nobody"):
        assert (await person.get("/actors/welcome/limit", params={"key": key})).status_code == 404
        assert (await person.post("/actors/welcome/limit", data={"key": key})).status_code == 404
        assert (await person.post("/actors/welcome/limit/reset", data={"key": key})).status_code == 404


async def test_who_only_looks_sets_no_limit(app: FastAPI, client: Client) -> None:
    await a_limit(client)
    headers = httpx.Headers({"Sec-Fetch-Site": "same-origin"})
    async with caller(app, headers, await user("vera", "the-session-of-vera", "viewer")) as viewer:
        page = await viewer.get("/actors/welcome")
        assert ("welcome:acme" in page.text, "/limit?" in page.text) == (True, False)
        assert (await viewer.get("/actors/welcome/limit?key=welcome:acme")).status_code == 403
        for path in ("limit", "limit/reset"):
            assert (await viewer.post(f"/actors/welcome/{path}", data={"key": "welcome:acme"})).status_code == 403
