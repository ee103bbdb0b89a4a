"""What does not fit is refused with a sentence and a path, and writes nothing."""

import json
from typing import Any

import httpx
import pytest

from tests.web.callers import assert_problem

NOT_JSON = {
    "nothing": b"",
    "cut off": b'{"actor": "welcome"',
    "two documents": b"{} {}",
    "trailing comma": b'{"actor": "welcome",}',
    "NaN": b'{"actor": "welcome", "args": [NaN]}',
    "Infinity": b'{"actor": "welcome", "args": [-Infinity]}',
    "a key twice": b'{"actor": "welcome", "actor": "turn_away"}',
    "a key twice, deep inside": b'{"actor": "welcome", "args": [{"a": 1, "a": 2}]}',
    "not UTF-8": b'{"actor": "\xff"}',
    "UTF-16": '{"actor": "welcome"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"actor": "welcome"}',
    "raw control character": b'{"actor": "wel\x00come"}',
    "too deep to parse": b'{"actor": "welcome", "args": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "a number of 5,000 digits": b'{"actor": "welcome", "args": [' + b"9" * 5_000 + b"]}",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_strict_json_is_refused(program: httpx.AsyncClient, body: bytes) -> None:
    response = await program.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 422)
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []


def job(**fields: Any) -> bytes:
    return json.dumps({"actor": "welcome", "args": ["Ada"]} | fields).encode()


WRONG_FIELDS = {
    "a list": (b"[]", ""),
    "null": (b"null", ""),
    "no actor": (b"{}", "actor"),
    "actor is a number": (job(actor=1), "actor"),
    "actor is empty": (job(actor=""), "actor"),
    "actor with NUL": (job(actor="wel\0come"), "actor"),
    "half a surrogate pair in actor": (job(actor="\ud800"), "actor"),
    "unknown field": (job(retries=3), "retries"),
    "unknown field, half a surrogate pair": (job(**{"\ud800": 3}), ""),
    "args is an object": (job(args={}), "args"),
    "kwargs is a list": (job(kwargs=[]), "kwargs"),
    "NUL in an argument": (job(args=["a\0b"]), "args[0]"),
    "half a surrogate pair in an argument": (job(args=[{"a": ["\udfff"]}]), "args[0].a[0]"),
    "infinite argument": (b'{"actor": "welcome", "args": [1e999]}', "args[0]"),
    "argument over 64 bits": (job(args=[2**64]), "args[0]"),
    "argument nested too deep": (b'{"actor": "welcome", "args": [' + b"[" * 100 + b"]" * 100 + b"]}", "args[0]"),
    "NUL in a keyword": (job(kwargs={"lo\0udly": True}), "kwargs"),
    "queue with NUL": (job(queue="a\0"), "queue"),
    "queue too long": (job(queue="a" * 501), "queue"),
    "priority is text": (job(priority="5"), "priority"),
    "priority is a truth value": (job(priority=True), "priority"),
    "priority out of range": (job(priority=2**15), "priority"),
    "priority not whole": (job(priority=1.5), "priority"),
    "negative delay": (job(delay=-1), "delay"),
    "endless delay": (job(delay=1e300), "delay"),
    "infinite delay": (b'{"actor": "welcome", "delay": 1e999}', "delay"),
    "run_at without offset": (job(run_at="2030-01-01T00:00:00"), "run_at"),
    "run_at is no time": (job(run_at="tomorrow"), "run_at"),
    "run_at out of range": (job(run_at="9999-12-31T23:59:59-12:00"), "run_at"),
    "delay and run_at": (job(delay=1, run_at="2030-01-01T00:00:00Z"), ""),
    "negative max_retries": (job(max_retries=-1), "max_retries"),
    "too many retries": (job(max_retries=2**31), "max_retries"),
    "no time": (job(time_limit=0), "time_limit"),
    "too much time": (job(time_limit=2**31), "time_limit"),
    "empty unique_key": (job(unique_key=""), "unique_key"),
    "unique_key with NUL": (job(unique_key="a\0"), "unique_key"),
    "tag is a number": (job(tags=["a", 2]), "tags[1]"),
    "too many tags": (job(tags=["a"] * 21), "tags"),
}


@pytest.mark.parametrize(("body", "path"), WRONG_FIELDS.values(), ids=WRONG_FIELDS.keys())
async def test_a_wrong_field_is_named(program: httpx.AsyncClient, body: bytes, path: str) -> None:
    # When a job with one wrong field is posted
    response = await program.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})

    # Then the answer says which, and nothing is written
    problem = assert_problem(response, 422)
    assert any(error.path.startswith(path) for error in problem.errors), problem
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []


async def test_only_the_first_errors_are_listed(program: httpx.AsyncClient) -> None:
    response = await program.post(
        "/api/v1/jobs",
        json={"actor": "welcome", "tags": list(range(20)), "delay": "x"} | {f"x{i}": 1 for i in range(100)},
    )
    assert len(assert_problem(response, 422).errors) == 20


async def test_an_unknown_actor_is_named_with_those_there_are(program: httpx.AsyncClient) -> None:
    problem = assert_problem(await program.post("/api/v1/jobs", json={"actor": "welcoem"}), 422)
    assert problem.type == "urn:callboard:error:unknown-actor"
    assert "welcoem" in problem.detail
    assert "welcome" in problem.detail


@pytest.mark.parametrize(
    "arguments", [{"args": []}, {"args": ["Ada", "Grace"]}, {"args": ["Ada"], "kwargs": {"softly": True}}]
)
async def test_arguments_that_do_not_fit_the_actor_are_refused(
    program: httpx.AsyncClient, arguments: dict[str, Any]
) -> None:
    problem = assert_problem(await program.post("/api/v1/jobs", json={"actor": "welcome", **arguments}), 422)
    assert problem.type == "urn:callboard:error:bad-arguments"
    assert "welcome" in problem.detail


async def test_arguments_over_their_limit_are_refused(program: httpx.AsyncClient) -> None:
    response = await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["x" * 300_000]})
    assert assert_problem(response, 413).type == "urn:callboard:error:too-large"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_is_not_called_json_is_refused(program: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await program.post("/api/v1/jobs", content=b'{"actor": "welcome", "args": ["Ada"]}', headers=headers)
    assert "application/json" in assert_problem(response, 415).detail


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("state=done", "state"),
        ("actor=", "actor"),
        ("queue=%00", "queue"),
        ("stat=failed", "stat"),
        ("before=x", "before"),
        ("before=bm8gY3Vyc29y", "before"),
        ("before=%F0%9F%98%80", "before"),
        ("before=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMCAwMTg5MDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDA=", "before"),
    ],
)
async def test_a_wrong_filter_is_named(program: httpx.AsyncClient, query: str, path: str) -> None:
    problem = assert_problem(await program.get(f"/api/v1/jobs?{query}"), 422)
    assert [error.path for error in problem.errors] == [path]


async def test_a_wrong_id_and_an_unknown_one(program: httpx.AsyncClient) -> None:
    assert_problem(await program.get("/api/v1/jobs/seven"), 422)
    problem = assert_problem(await program.get("/api/v1/jobs/01890000-0000-7000-8000-000000000000"), 404)
    assert problem.type == "urn:callboard:error:not-found"


async def test_a_wrong_method_is_told_the_right_ones(program: httpx.AsyncClient) -> None:
    response = await program.put("/api/v1/jobs/01890000-0000-7000-8000-000000000000")
    assert_problem(response, 405)
    assert response.headers["allow"] in ("GET", "DELETE")
