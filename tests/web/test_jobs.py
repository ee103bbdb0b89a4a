"""Enqueue through the API, list, look."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from runtime.client import Client
from services import jobs
from tests.support.waiting import wait_for
from tests.web.callers import OWNER, assert_problem

SUMMARY = {
    "id", "actor", "queue", "priority", "state", "attempt", "max_attempts", "created_at", "run_at", "started_at",
    "finished_at", "unique_key", "tags", "error", "shown_state", "expires_at", "owner", "parent_id", "blocked_by",
}  # fmt: skip
DETAIL = SUMMARY | {"args", "kwargs", "result", "attempts", "metadata"}


async def enqueue(program: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"]} | fields)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_an_enqueued_job_is_there_at_its_address(program: httpx.AsyncClient) -> None:
    # When a program enqueues a job
    response = await program.post(
        "/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"], "kwargs": {"loudly": True}, "tags": ["a", "b"]}
    )

    # Then the answer tells where it is, and nothing that is not listed
    assert response.status_code == 201
    document = response.json()
    assert document.keys() == SUMMARY | {"created"}
    assert response.headers["location"] == f"/api/v1/jobs/{document['id']}"

    # And there it is, as it was sent
    found = (await program.get(response.headers["location"])).json()
    assert found.keys() == DETAIL
    assert found == ANY_DETAIL | {"id": document["id"]}


ANY_DETAIL = {
    "id": ANY, "actor": "welcome", "queue": "web-tests", "priority": 0, "state": "queued", "attempt": 0,
    "max_attempts": 1, "created_at": ANY, "run_at": ANY, "started_at": None, "finished_at": None, "unique_key": None,
    "tags": ["a", "b"], "error": None, "args": ["Ada"], "kwargs": {"loudly": True}, "result": None, "attempts": [],
    "shown_state": "queued", "expires_at": None, "owner": OWNER, "parent_id": None, "blocked_by": None,
    "metadata": None,
}  # fmt: skip


async def test_every_option_arrives(program: httpx.AsyncClient) -> None:
    run_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    document = await enqueue(
        program, queue="maintenance", priority=-7, run_at=run_at.isoformat(), max_retries=4, time_limit=5_000,
        unique_key="only one", tags=["x"],
    )  # fmt: skip
    assert datetime.fromisoformat(document["run_at"]) == run_at
    assert document["queue"] == "maintenance"
    assert document["priority"] == -7
    assert document["max_attempts"] == 5
    assert document["unique_key"] == "only one"
    assert document["tags"] == ["x"]


async def test_a_delay_counts_from_now(program: httpx.AsyncClient) -> None:
    document = await enqueue(program, delay=90.5)
    waits = datetime.fromisoformat(document["run_at"]) - datetime.fromisoformat(document["created_at"])
    assert waits == timedelta(seconds=90.5)


async def test_a_unique_key_finds_the_job_that_lives(program: httpx.AsyncClient) -> None:
    # Given a job with a unique key
    first = await enqueue(program, unique_key="report of May")
    assert first["created"] is True

    # When the same is posted again
    again = await program.post(
        "/api/v1/jobs", json={"actor": "welcome", "args": ["Bob"], "unique_key": "report of May"}
    )

    # Then the answer is the first one
    assert again.status_code == 200
    assert again.json() == first | {"created": False}
    assert again.headers["location"] == f"/api/v1/jobs/{first['id']}"
    assert len((await program.get("/api/v1/jobs")).json()["jobs"]) == 1


async def test_the_pages_together_are_all_jobs_newest_first(program: httpx.AsyncClient, client: Client) -> None:
    # Given jobs of which many were made in the same moment
    from tests.web.some_actors import welcome

    await enqueue(program)
    async with client.session() as session:
        await jobs.enqueue_many(session, [jobs.call(welcome, str(number)) for number in range(5)])
        await session.commit()
    newest = await enqueue(program)

    # When they are read two at a time
    pages = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await program.get("/api/v1/jobs", params=query)).json()
        pages.append(page["jobs"])
        assert all(job.keys() == SUMMARY for job in page["jobs"])
        if page["next"] is None:
            break
        query["before"] = page["next"]

    # Then each is there once
    found = [job["id"] for page in pages for job in page]
    assert len(found) == len(set(found)) == 7
    assert found[0] == newest["id"]
    assert [len(page) for page in pages] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"actor": "turn_away"}, 1),
        ({"queue": "maintenance"}, 1),
        ({"state": "queued"}, 3),
        ({"state": "failed"}, 0),
        ({"actor": "welcome", "queue": "web-tests"}, 1),
        ({"actor": "nobody"}, 0),
    ],
)
async def test_filters(program: httpx.AsyncClient, query: dict[str, str], count: int) -> None:
    await enqueue(program)
    await enqueue(program, queue="maintenance")
    await enqueue(program, actor="turn_away")
    assert len((await program.get("/api/v1/jobs", params=query)).json()["jobs"]) == count


async def test_a_worker_runs_what_was_enqueued(program: httpx.AsyncClient, worker: Any, scheduler: Any) -> None:
    # Given a worker
    await worker("tests.web.some_actors")
    await scheduler()

    # When a job that succeeds and one that fails twice are enqueued
    good = await enqueue(program, kwargs={"loudly": True})
    bad = await enqueue(program, actor="turn_away", args=["no ticket"])

    async def ended(job: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await program.get(f"/api/v1/jobs/{job['id']}")).json()
        return found if found["finished_at"] else {}

    # Then one has its result
    succeeded: dict[str, Any] = await wait_for(partial(ended, good))
    assert (succeeded["state"], succeeded["result"], succeeded["attempts"]) == ("succeeded", "HELLO, ADA!", [])

    # And the other each failed attempt, with the whole traceback
    failed: dict[str, Any] = await wait_for(partial(ended, bad))
    assert failed["state"] == "failed"
    assert failed["error"] == {"type": ANY, "message": "no ticket"}
    assert [attempt["attempt"] for attempt in failed["attempts"]] == [1, 2]
    for attempt in failed["attempts"]:
        assert attempt.keys() == {
            "attempt", "worker", "started_at", "ended_at", "error_type", "error_message", "traceback",
        }  # fmt: skip
        assert attempt["error_message"] == "no ticket"
        assert "raise ValueError(reason)" in attempt["traceback"]


async def test_nobody_is_told_of_a_job_that_was_not_committed(
    app: FastAPI, program: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a database that refuses the commit
    client: Client = app.state.client
    async with client.database.engine.begin() as connection:
        await connection.execute(text(
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'not at commit'; end $$"
        ))  # fmt: skip
        await connection.execute(text(
            "create constraint trigger refuse after insert on jobs deferrable initially deferred"
            " for each row execute function refuse()"
        ))  # fmt: skip
    try:
        # When a job is enqueued
        response = await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["a-secret"]})

        # Then the answer is a failure that tells where to look and no more, and there is no job
        assert "log of the web process" in assert_problem(response, 500).detail
        assert "not at commit" not in response.text
        assert "not at commit" in caplog.text
        assert "a-secret" not in caplog.text
        assert (await program.get("/api/v1/jobs")).json()["jobs"] == []
    finally:
        async with client.database.engine.begin() as connection:
            await connection.execute(text("drop function refuse cascade"))


async def test_the_description_lists_every_address(program: httpx.AsyncClient) -> None:
    description = (await program.get("/api/v1/openapi.json")).json()
    assert description["openapi"].startswith("3.1.")
    assert {"/health", "/ready", "/api/v1/jobs", "/api/v1/jobs/{job_id}"} <= description["paths"].keys()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            if path.startswith("/api/"):
                assert {"401", "403", "413", "422", "429", "500", "503"} <= operation["responses"].keys(), (
                    method,
                    path,
                )
                assert operation["security"] == [{"HTTPBearer": []}], (method, path)
    scheduler = description["paths"]["/health/scheduler"]["get"]["responses"]
    assert {"401", "403", "429", "503"} <= scheduler.keys()
    assert scheduler["503"]["content"].keys() == {"application/json", "application/problem+json"}
    assert description["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
