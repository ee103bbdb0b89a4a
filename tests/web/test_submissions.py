"""Enqueue many at once, once, with metadata, and within what a key is for."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from tests.web.callers import assert_problem, caller, key

JOB = {"actor": "welcome", "args": ["Ada"]}
KEY = {"Idempotency-Key": "order-1815"}


async def count(client: Client) -> int:
    async with client.database.connection() as connection:
        return int(await connection.fetchval("select count(*) from jobs"))


async def test_many_jobs_are_enqueued_in_order(program: httpx.AsyncClient) -> None:
    # When jobs of several kinds are posted at once
    wanted: list[dict[str, Any]] = [
        {"actor": "welcome", "args": [str(number)], "priority": number % 3, "metadata": {"number": number}}
        for number in range(60)
    ]
    wanted[7] |= {"unique_key": "seven"}
    response = await program.post("/api/v1/jobs/bulk", json={"jobs": wanted})

    # Then each is there, at its place
    assert response.status_code == 201, response.text
    made = response.json()["jobs"]
    assert [job["created"] for job in made] == [True] * 60
    for number in (0, 7, 59):
        found = (await program.get(f"/api/v1/jobs/{made[number]['id']}")).json()
        assert (found["args"], found["priority"]) == ([str(number)], number % 3)
        assert found["metadata"] == {"number": number}

    # And a unique key finds the one that lives
    again = await program.post("/api/v1/jobs/bulk", json={"jobs": [wanted[7]]})
    assert again.json()["jobs"] == [{"id": made[7]["id"], "created": False}]


WRONG = {
    "an unknown actor": ({"actor": "nobody"}, "jobs[2]"),
    "an argument too many": ({"actor": "welcome", "args": ["a", "b"]}, "jobs[2].args"),
    "NUL in an argument": ({"actor": "welcome", "args": ["a\0"]}, "jobs[2].args[0]"),
    "a wrong field": ({"actor": "welcome", "args": ["a"], "delay": -1}, "jobs[2].delay"),
    "a wrong queue": ({"actor": "welcome", "args": ["a"], "queue": "nowhere"}, ""),
    "NUL in the metadata": ({"actor": "welcome", "args": ["a"], "metadata": {"a": "\0"}}, "jobs[2].metadata"),
}


@pytest.mark.parametrize(("wrong", "path"), WRONG.values(), ids=WRONG.keys())
async def test_one_wrong_job_of_many_is_named_and_none_is_made(
    program: httpx.AsyncClient, client: Client, wrong: dict[str, Any], path: str
) -> None:
    response = await program.post("/api/v1/jobs/bulk", json={"jobs": [JOB, JOB, wrong, JOB]})
    problem = assert_problem(response, 422)
    assert path == "" or problem.errors[0].path.startswith(path), problem
    assert await count(client) == 0


async def test_none_and_too_many_are_refused(program: httpx.AsyncClient) -> None:
    for jobs in ([], [JOB] * 5_001):
        assert_problem(await program.post("/api/v1/jobs/bulk", json={"jobs": jobs}), 422)
    large = {"jobs": [{"actor": "welcome", "args": ["x" * 200_000]}] * 50}
    assert_problem(await program.post("/api/v1/jobs/bulk", json=large), 413)


async def test_a_request_with_an_idempotency_key_is_carried_out_once(
    program: httpx.AsyncClient, client: Client
) -> None:
    # When the same request is sent ten times at once
    sent = await asyncio.gather(*(program.post("/api/v1/jobs", json=JOB, headers=KEY) for _ in range(10)))

    # Then all get the one job that was made
    assert {answer.status_code for answer in sent} == {201}
    assert len({answer.json()["id"] for answer in sent}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in sent) == 1
    assert await count(client) == 1

    # And many at once work the same
    many = {"jobs": [JOB, JOB]}
    first, again = [
        await program.post("/api/v1/jobs/bulk", json=many, headers={"Idempotency-Key": "many"}) for _ in range(2)
    ]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await count(client) == 3


async def test_an_idempotency_key_is_for_one_request_of_one_caller_for_a_day(
    app: FastAPI, program: httpx.AsyncClient, client: Client
) -> None:
    first = await program.post("/api/v1/jobs", json=JOB, headers=KEY)

    # Another request with it is refused
    other = await program.post("/api/v1/jobs", json=JOB | {"args": ["Bob"]}, headers=KEY)
    assert "Idempotency-Key" in assert_problem(other, 422).detail

    # Another caller's is another
    async with caller(app, await key("other", "cb_other_secret", "read", "enqueue")) as another:
        theirs = await another.post("/api/v1/jobs", json=JOB, headers=KEY)
        assert theirs.json()["id"] != first.json()["id"]

    # What was refused has not used it up
    assert_problem(await program.post("/api/v1/jobs", json={"actor": "x"}, headers={"Idempotency-Key": "new"}), 422)
    assert (await program.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "new"})).status_code == 201

    # And a day later it is free again
    async with client.database.connection() as connection:
        await connection.execute("update idempotency_keys set created_at = now() - interval '25 hours'")
    later = await program.post("/api/v1/jobs", json=JOB | {"args": ["Bob"]}, headers=KEY)
    assert (later.status_code, "idempotency-replayed" in later.headers) == (201, False)


async def test_a_request_whose_job_is_gone_is_answered_as_before(program: httpx.AsyncClient, client: Client) -> None:
    # Given a request that was carried out, and its job has been deleted since
    first = (await program.post("/api/v1/jobs", json=JOB, headers=KEY)).json()
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs")

    # When it is sent again, then it is answered from the receipt, and makes no second job
    again = await program.post("/api/v1/jobs", json=JOB, headers=KEY)
    assert (again.status_code, again.json()) == (201, {"id": first["id"], "created": True})
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"].endswith(first["id"])
    assert await count(client) == 0


async def test_a_unique_key_that_anothers_job_holds_is_refused_and_its_id_not_told(
    app: FastAPI, program: httpx.AsyncClient, client: Client
) -> None:
    # Given a job with a unique key
    taken = JOB | {"unique_key": "invoice-7"}
    held = (await program.post("/api/v1/jobs", json=taken)).json()["id"]

    # When a program that does not see it uses the same one
    async with caller(app, await key("other", "cb_other_secret", "read", "enqueue")) as another:
        for address, body in (("", taken), ("/bulk", {"jobs": [JOB, taken]})):
            for headers in ({}, KEY):
                # Then it is told so, and neither the id nor a job of its own
                refused = await another.post(f"/api/v1/jobs{address}", json=body, headers=headers)
                problem = assert_problem(refused, 409)
                assert "unique_key" in problem.detail
                assert ("jobs[1]" in problem.detail) is bool(address)
                assert held not in refused.text
    assert await count(client) == 1

    # And whoever sees it gets it
    again = await program.post("/api/v1/jobs", json=taken)
    assert (again.status_code, again.json()["id"]) == (200, held)


NOT_FOR_POSTGRES = {
    "an integer over 64 bits": ({"args": [2**70]}, "args[0]"),
    "half a surrogate pair": ({"args": ["\ud800"]}, "args[0]"),
    "half a surrogate pair in a name": ({"args": [], "kwargs": {"name": {"\ud800": 1}}}, "name"),
    "nested too deep": ({"args": [json.loads("[" * 300 + "]" * 300)]}, "args[0]"),
    "metadata over 64 bits": ({"metadata": {"a": 2**70}}, "metadata"),
    "metadata too deep": ({"metadata": {"a": json.loads("[" * 300 + "]" * 300)}}, "metadata"),
}


@pytest.mark.parametrize(("wrong", "path"), NOT_FOR_POSTGRES.values(), ids=NOT_FOR_POSTGRES.keys())
async def test_with_an_idempotency_key_bad_arguments_are_refused_as_without(
    program: httpx.AsyncClient, client: Client, wrong: dict[str, Any], path: str
) -> None:
    for address, body, place in (("", JOB | wrong, ""), ("/bulk", {"jobs": [JOB, JOB | wrong]}, "jobs[1].")):
        response = await program.post(
            f"/api/v1/jobs{address}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", "Idempotency-Key": "bad"},
        )
        problem = assert_problem(response, 422)
        assert problem.errors[0].path.startswith(place + path), problem

    # And the key is still free
    assert (await program.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "bad"})).status_code == 201


@pytest.mark.parametrize("wrong", [b"", b"x" * 256, b"a b", b"\xfc"])
async def test_a_wrong_idempotency_key_is_refused(program: httpx.AsyncClient, wrong: bytes) -> None:
    headers = [(b"idempotency-key", wrong)]
    problem = assert_problem(await program.post("/api/v1/jobs", json=JOB, headers=headers), 422)
    assert problem.errors[0].path.lower() == "idempotency-key"


async def test_a_key_for_some_queues_or_actors_enqueues_nothing_else(app: FastAPI, client: Client) -> None:
    headers = await key("some", "cb_some_secret", "enqueue", queues=["web-tests"])
    async with caller(app, headers) as program:
        assert (await program.post("/api/v1/jobs", json=JOB)).status_code == 201
        elsewhere = JOB | {"queue": "maintenance"}
        assert "web-tests" in assert_problem(await program.post("/api/v1/jobs", json=elsewhere), 403).detail
        assert_problem(await program.post("/api/v1/jobs/bulk", json={"jobs": [JOB, elsewhere]}), 403)
    assert await count(client) == 1
