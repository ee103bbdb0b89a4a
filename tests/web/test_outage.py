"""When a server is away: callers are told to come back, and what was accepted is kept."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
import pytest_asyncio

from settings import Settings
from tests.support.waiting import wait_for
from tests.web.callers import BEARER, assert_problem, caller, elsewhere, started
from web import route

JOB = {"actor": "welcome", "args": ["Ada"]}


@pytest_asyncio.fixture
async def administrator(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the test's database."""
    connection = await asyncpg.connect("postgresql://" + settings.postgres.split("://")[1], timeout=10)
    yield connection
    await connection.close()


def assert_come_back(response: httpx.Response) -> None:
    problem = assert_problem(response, 503)
    assert problem.type == "urn:callboard:error:server-unavailable"
    assert int(response.headers["retry-after"]) > 0


async def test_without_postgresql_callers_are_told_to_come_back(settings: Settings, closed_port: int) -> None:
    away = elsewhere(settings, database=f"postgresql://user:pw@127.0.0.1:{closed_port}/db")
    async with started(away) as app, caller(app, BEARER) as program:
        assert_come_back(await program.post("/api/v1/jobs", json=JOB))
        assert_come_back(await program.get("/api/v1/jobs"))


async def test_without_redis_a_job_is_accepted_all_the_same(settings: Settings, closed_port: int) -> None:
    away = elsewhere(settings, redis=f"redis://127.0.0.1:{closed_port}/0")
    async with started(away) as app, caller(app, BEARER) as program:
        response = await program.post("/api/v1/jobs", json=JOB)
        assert response.status_code == 201
        assert (await program.get(response.headers["location"])).json()["state"] == "queued"


async def test_a_connection_lost_on_the_way_is_replaced(
    program: httpx.AsyncClient, administrator: asyncpg.Connection
) -> None:
    # Given a request that waits for PostgreSQL
    async with administrator.transaction():
        await administrator.execute("lock table jobs")
        request = asyncio.create_task(program.post("/api/v1/jobs", json=JOB))

        # When its connection is cut
        waiting = "from pg_locks where not granted and relation = 'jobs'::regclass"
        await wait_for(lambda: administrator.fetchval(f"select count(*) {waiting}"))
        await administrator.execute(f"select pg_terminate_backend(pid) {waiting}")

        # Then the caller is told to come back
        assert_come_back(await request)

    # And the next request finds everything in order, nothing half done
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []
    assert (await program.post("/api/v1/jobs", json=JOB)).status_code == 201


async def test_nobody_waits_for_ever(
    program: httpx.AsyncClient, administrator: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with administrator.transaction():
        monkeypatch.setattr(route, "PATIENCE", 0.3)
        await administrator.execute("lock table jobs")
        assert_come_back(await program.post("/api/v1/jobs", json=JOB))
        await administrator.execute("lock table scheduled_jobs")
        page = await program.get("/schedules", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "does not answer in time" in page.text
        monkeypatch.undo()
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []
