"""Alive, and ready for work."""

import time

import httpx
import pytest

from runtime.client import Client
from settings import Settings
from tests.support.databases import create_database, drop_database
from tests.web.callers import caller, elsewhere, started
from web import health


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls is no server that hangs."""
    monkeypatch.setattr(health, "PATIENCE", 60)


async def ready(settings: Settings) -> tuple[int, dict[str, str], str]:
    """The status, each check's state, and the whole text."""
    async with started(settings) as app, caller(app, httpx.Headers()) as stranger:
        response = await stranger.get("/ready")
        states = {name: check["state"] for name, check in response.json()["checks"].items()}
        assert (response.json()["status"] == "ready") == (response.status_code == 200)
        return response.status_code, states, response.text


OK = {"database": "ok", "migrations": "ok", "redis": "ok"}


async def test_ready_when_both_servers_answer(settings: Settings) -> None:
    assert (await ready(settings))[:2] == (200, OK)


async def test_not_ready_without_postgresql(settings: Settings, closed_port: int) -> None:
    away = elsewhere(settings, database=f"postgresql://user:hidden@127.0.0.1:{closed_port}/db")
    status, states, text = await ready(away)
    assert (status, states) == (503, OK | {"database": "unavailable", "migrations": "unavailable"})
    assert "hidden" not in text
    assert str(closed_port) not in text


async def test_not_ready_without_redis(settings: Settings, closed_port: int) -> None:
    status, states, text = await ready(elsewhere(settings, redis=f"redis://:hidden@127.0.0.1:{closed_port}/0"))
    assert (status, states) == (503, OK | {"redis": "unavailable"})
    assert "hidden" not in text


async def test_not_ready_when_the_servers_hang(
    settings: Settings, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given servers that take the connection and then say nothing
    monkeypatch.setattr(health, "PATIENCE", 0.5)
    hanging = elsewhere(
        settings,
        database=f"postgresql://user:pw@127.0.0.1:{silent_port}/db",
        redis=f"redis://127.0.0.1:{silent_port}/0",
    )

    # When somebody asks
    before = time.monotonic()
    status, states, _ = await ready(hanging)

    # Then the answer comes all the same, and soon
    assert (status, set(states.values())) == (503, {"unavailable"})
    assert time.monotonic() - before < 30


async def test_not_ready_on_a_database_that_was_not_migrated(settings: Settings) -> None:
    empty = await create_database(settings.postgres)
    try:
        status, states, text = await ready(elsewhere(settings, database=empty))
    finally:
        await drop_database(empty)
    assert (status, states) == (503, OK | {"migrations": "mismatch"})
    assert "callboard migrate" in text


async def test_healthy_without_any_server(settings: Settings, closed_port: int) -> None:
    away = elsewhere(
        settings,
        database=f"postgresql://user:pw@127.0.0.1:{closed_port}/db",
        redis=f"redis://127.0.0.1:{closed_port}/0",
    )
    async with started(away) as app, caller(app, httpx.Headers()) as stranger:
        response = await stranger.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


CHECKED = """
insert into health_checks (status, reasons, measures, previous) values
    ('healthy', '[]', '{"redis": 0.001}', null),
    ('critical', '["Nobody leads the scheduling."]', '{}', 'healthy')
"""


async def test_what_the_checks_have_found(client: Client, program: httpx.AsyncClient) -> None:
    """Given a check that found nothing and one that did, then the API and the overview say so."""
    async with client.database.connection() as connection:
        await connection.execute(CHECKED)

    first = (await program.get("/api/v1/health-checks?limit=1")).json()
    assert [check["status"] for check in first["checks"]] == ["critical"]
    second = (await program.get(f"/api/v1/health-checks?before={first['next']}")).json()
    assert [check["measures"] for check in second["checks"]] == [{"redis": 0.001}]
    changes = (await program.get("/api/v1/health-checks?changes=true")).json()
    assert [check["previous"] for check in changes["checks"]] == ["healthy"]

    assert "Nobody leads the scheduling." in (await program.get("/")).text
