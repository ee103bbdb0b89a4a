"""No body is read past the limit."""

from collections.abc import AsyncIterator

import httpx

from tests.web.callers import assert_problem
from web.body import LIMIT

JSON = {"Content-Type": "application/json"}
JOB = b'{"actor": "welcome", "args": ["Ada"]}'


async def test_a_body_of_the_limit_is_read(program: httpx.AsyncClient) -> None:
    response = await program.post("/api/v1/jobs", content=JOB.ljust(LIMIT), headers=JSON)
    assert response.status_code == 201


async def test_one_byte_more_is_refused(program: httpx.AsyncClient) -> None:
    response = await program.post("/api/v1/jobs", content=JOB.ljust(LIMIT + 1), headers=JSON)
    assert_problem(response, 413)
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []


async def test_an_endless_body_is_left_off_at_the_limit(program: httpx.AsyncClient) -> None:
    # Given a body of unknown length that goes on and on
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(128):
            sent += 64 * 1024
            yield b" " * 64 * 1024

    # When it is posted
    response = await program.post("/api/v1/jobs", content=endless(), headers=JSON)

    # Then it is refused as soon as it is over the limit
    assert_problem(response, 413)
    assert sent <= LIMIT + 128 * 1024


async def test_a_strangers_body_is_not_read(stranger: httpx.AsyncClient) -> None:
    read = False

    async def noted() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield JOB

    assert_problem(await stranger.post("/api/v1/jobs", content=noted(), headers=JSON), 401)
    assert not read


async def test_a_form_of_the_dashboard_is_limited_too(person: httpx.AsyncClient) -> None:
    response = await person.post("/dramatiq/delete-message", content=b"x" * (LIMIT + 1))
    assert_problem(response, 413)
