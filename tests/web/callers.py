"""The web application under test, and who calls it: real rows, made anew for each application."""

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI
from pydantic import RedisDsn, TypeAdapter

from services.callers import digest
from settings import DatabaseUrl, Settings
from web.cookies import SESSION
from web.csrf import HEADER, token_of
from web.problem import Problem

ORIGIN = "http://callboard.test"
TOKEN = "cb_webtests23_the-key-of-the-web-tests"  # of the key "tests", which may do everything
SESSION_TOKEN = "the-session-of-admin-in-the-web-tests"
BEARER = httpx.Headers({"Authorization": f"Bearer {TOKEN}"})
OWNER = "key:tests"
HERE = "192.0.2.7"  # the address that callers have


class Browser(httpx.Auth):
    """A browser in which somebody is signed in, on a page of ours that has its CSRF token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        others = request.headers.get("cookie", "")
        if SESSION not in others:
            request.headers["Cookie"] = f"{SESSION}={self.token}" + (f"; {others}" if others else "")
        request.headers.setdefault(HEADER, token_of(self.token))
        yield request


LOGIN = Browser(SESSION_TOKEN)  # the user "admin"


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started and stopped as a server would; the key and the user of these tests exist."""
    # Not at the top: pytest loads this folder's conftest before the run has a Redis for the broker.
    from tests.web.some_actors import broker
    from web.application import create_app

    await make_accounts()
    app = create_app(settings, broker)
    async with app.router.lifespan_context(app):
        yield app


async def make_accounts() -> None:
    """The key of BEARER and the user of LOGIN, in the database of this run."""
    await _execute(_key("tests", TOKEN, ["admin"]), *_user("admin", SESSION_TOKEN, "admin"))


async def key(
    name: str,
    token: str,
    *scopes: str,
    queues: list[str] | None = None,
    actors: list[str] | None = None,
    networks: Sequence[str] = (),
) -> httpx.Headers:
    """A key with these scopes: what to send."""
    await _execute(_key(name, token, list(scopes), queues, actors, networks))
    return httpx.Headers({"Authorization": f"Bearer {token}"})


async def user(name: str, token: str, role: str) -> Browser:
    """A user in this role, signed in: the browser."""
    await _execute(*_user(name, token, role))
    return Browser(token)


def _key(
    name: str,
    token: str,
    scopes: list[str],
    queues: list[str] | None = None,
    actors: list[str] | None = None,
    networks: Sequence[str] = (),
) -> tuple[object, ...]:
    return (
        "insert into api_keys (id, name, prefix, key_hash, scopes, queues, actors, networks, created_by)"
        " values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, 'tests') on conflict do nothing",
        name, token.split("_")[1], digest(token), scopes, queues, actors, networks,
    )  # fmt: skip


def _user(name: str, token: str, role: str) -> list[tuple[object, ...]]:
    return [
        ("insert into users (id, name, role) values (gen_random_uuid(), $1, $2) on conflict do nothing", name, role),
        (
            "insert into user_sessions (token_hash, user_id, expires_at)"
            " select $1, id, now() + interval '1 hour' from users where name = $2 on conflict do nothing",
            digest(token), name,
        ),
    ]  # fmt: skip


async def _execute(*statements: tuple[Any, ...]) -> None:
    """Each with its values."""
    connection = await asyncpg.connect("postgresql://" + Settings().postgres.split("://")[1], timeout=10)
    try:
        for statement in statements:
            await connection.execute(*statement)
    finally:
        await connection.close()


def elsewhere(settings: Settings, *, database: str | None = None, redis: str | None = None) -> Settings:
    """The same, with another server."""
    update: dict[str, object] = {}
    if database:
        update["database_url"] = TypeAdapter(DatabaseUrl).validate_python(database)
    if redis:
        update["redis_url"] = TypeAdapter(RedisDsn).validate_python(redis)
    return settings.model_copy(update=update)


def caller(
    app: FastAPI, headers: httpx.Headers, auth: httpx.Auth | None = None, address: str = HERE
) -> httpx.AsyncClient:
    cookies = {SESSION: auth.token} if isinstance(auth, Browser) else None  # sent after a redirect too
    transport = httpx.ASGITransport(app, client=(address, 123))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, auth=auth, cookies=cookies)


def assert_problem(response: httpx.Response, status: int) -> Problem:
    """It is that refusal, in RFC 9457's shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content, extra="forbid")
    assert problem.status == status
    assert problem.title
    assert problem.detail
    return problem
