"""The web application under test, and who calls it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from pydantic import RedisDsn, SecretStr, TypeAdapter

from settings import DatabaseUrl, Settings
from web.problem import Problem

TOKEN = "the-token-of-the-web-tests"
ORIGIN = "http://callboard.test"
BEARER = httpx.Headers({"Authorization": f"Bearer {TOKEN}"})
LOGIN = httpx.BasicAuth("admin", TOKEN)


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started and stopped as a server would."""
    # Not at the top: pytest loads this folder's conftest before the run has a Redis for the broker.
    from tests.web.some_actors import broker
    from web.application import create_app

    app = create_app(settings.model_copy(update={"callboard_token": SecretStr(TOKEN)}), broker)
    async with app.router.lifespan_context(app):
        yield app


def elsewhere(settings: Settings, *, database: str | None = None, redis: str | None = None) -> Settings:
    """The same, with another server."""
    update: dict[str, object] = {}
    if database:
        update["database_url"] = TypeAdapter(DatabaseUrl).validate_python(database)
    if redis:
        update["redis_url"] = TypeAdapter(RedisDsn).validate_python(redis)
    return settings.model_copy(update=update)


def caller(app: FastAPI, headers: httpx.Headers, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, headers=headers, auth=auth)


def assert_problem(response: httpx.Response, status: int) -> Problem:
    """It is that refusal, in RFC 9457's shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.content, extra="forbid")
    assert problem.status == status
    assert problem.title
    assert problem.detail
    return problem
