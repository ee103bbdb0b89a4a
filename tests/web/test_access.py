"""Who may come in, for every address there is."""

import base64

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.web.callers import BEARER, TOKEN, assert_problem, caller

OPEN = {"/health", "/ready"}
BROWSED = {"/api/v1/openapi.json", "/dramatiq", "/dramatiq/", "/dramatiq/queues/web-tests", "/dramatiq/delete-message"}


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


WRONG = {
    "none": None,
    "empty": b"",
    "no token": b"Bearer",
    "wrong token": b"Bearer " + b"x" * len(TOKEN),
    "start of the token": f"Bearer {TOKEN[:-1]}".encode(),
    "not ASCII": b"Bearer \xfcmlaut",
    "token without scheme": TOKEN.encode(),
    "other scheme": f"Digest {TOKEN}".encode(),
    "wrong password": basic("admin:wrong"),
    "wrong user": basic(f"root:{TOKEN}"),
    "no password": basic("admin"),
    "not base64": b"Basic !!!",
}


def addresses(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path that is served, and some inside what is mounted."""
    found = set()
    for route in iter_route_contexts(app.routes):
        path = (route.path or "").replace("{job_id}", "01890000-0000-7000-8000-000000000000")
        found |= {(method, path) for method in route.methods or ("GET", "POST") if method != "HEAD"}
    return found | {("GET", path) for path in BROWSED} | {("POST", "/dramatiq/delete-message")}


@pytest.mark.parametrize("shown", WRONG.values(), ids=WRONG.keys())
async def test_without_the_token_every_address_but_the_health_checks_refuses(app: FastAPI, shown: bytes | None) -> None:
    # Given everything that is served
    served = addresses(app)
    assert {("POST", "/api/v1/jobs"), ("GET", "/api/v1/jobs"), ("GET", "/dramatiq")} <= served

    headers = httpx.Headers([] if shown is None else [(b"authorization", shown)])
    async with caller(app, headers) as stranger:
        for method, path in served:
            # When somebody without the token asks for it
            response = await stranger.request(method, path)

            # Then only the health checks answer; the others say how to log in
            if path in OPEN:
                assert response.status_code == 200, path
            else:
                assert_problem(response, 401)
                scheme = "Basic" if path in BROWSED else "Bearer"
                assert response.headers["www-authenticate"].startswith(f'{scheme} realm="callboard"'), path


async def test_with_the_token_every_address_answers(app: FastAPI, program: httpx.AsyncClient) -> None:
    for method, path in addresses(app):
        response = await program.request(method, path)
        assert response.status_code not in (401, 500, 503), (method, path)


async def test_the_login_opens_what_people_browse_and_nothing_else(app: FastAPI, person: httpx.AsyncClient) -> None:
    for method, path in addresses(app):
        response = await person.request(method, path)
        if path in BROWSED | OPEN:
            assert response.status_code != 401, (method, path)
        else:
            assert_problem(response, 401)


async def test_two_authorizations_are_none(stranger: httpx.AsyncClient) -> None:
    both = [("Authorization", BEARER["Authorization"]), ("Authorization", BEARER["Authorization"])]
    assert_problem(await stranger.get("/api/v1/jobs", headers=both), 401)


async def test_an_unknown_address_tells_a_stranger_nothing(
    stranger: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    assert_problem(await stranger.get("/api/v1/nothing"), 401)
    assert_problem(await program.get("/api/v1/nothing"), 404)


async def test_the_token_is_in_no_refusal(stranger: httpx.AsyncClient) -> None:
    response = await stranger.get("/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}x"})
    assert TOKEN not in response.text + str(response.headers)
