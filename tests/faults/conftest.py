"""Fixtures of the fault suite.

servers   PostgreSQL and Valkey of the suite's own, which may be killed                         (session)
stage     an empty database and Redis on them, and whatever plays on it                          (each test)
record    `record(outcome, refused=3)`: a row of the table; lost jobs and doubled effects fail the test
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from db.migrate import upgrade
from settings import Settings
from tests.faults import report
from tests.faults import stage as theatre
from tests.faults.report import Outcome
from tests.faults.servers import Servers
from tests.faults.stage import Stage
from tests.support.databases import clean, create_database

Record = Callable[..., None]

EFFECTS = """
create table fault_effects (
    job uuid not null, attempt integer not null, item integer not null, at timestamptz not null default now()
)
"""


@pytest.fixture(scope="session")
def servers(home: Path) -> Iterator[Servers]:
    servers = Servers(home / "faults")
    yield servers
    servers.stop()


@pytest_asyncio.fixture(scope="session")
async def fault_settings(servers: Servers) -> Settings:
    database_url = await create_database(servers.postgres.url)
    settings = Settings.model_validate({"database_url": database_url, "redis_url": servers.valkey.url})
    await upgrade(settings)
    connection = await asyncpg.connect(database_url)
    await connection.execute(EFFECTS)
    await connection.close()
    return settings


@pytest_asyncio.fixture
async def stage(fault_settings: Settings, servers: Servers, tmp_path: Path) -> AsyncIterator[Stage]:
    await servers.all_live()
    await clean(str(fault_settings.database_url), fault_settings.redis)
    async with theatre.opened(fault_settings, servers, tmp_path) as stage:
        await stage.rows("truncate workers, leases")
        yield stage
        for process in stage.processes:
            sys.stdout.write(f"\n---- {' '.join(process.command)} ({process.code})\n{process.output[-20_000:]}")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    def check(outcome: Outcome, **figures: float) -> None:
        note(request.config, outcome, figures)
        assert (outcome.lost, outcome.doubled) == (0, 0), outcome

    return check


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Record:
    return lambda outcome, **figures: note(request.config, outcome, figures)


def note(config: pytest.Config, outcome: Outcome, figures: dict[str, float]) -> None:
    config.stash.setdefault(report.OUTCOMES, []).append(replace(outcome, figures=figures))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With pytest-xdist each process has seen some of the faults; the one in front shows all."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["outcomes"] = [asdict(outcome) for outcome in session.config.stash.get(report.OUTCOMES, [])]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    rows = getattr(node, "workeroutput", {}).get("outcomes", [])
    node.config.stash.setdefault(report.OUTCOMES, []).extend(Outcome(**row) for row in rows)


def pytest_terminal_summary(config: pytest.Config) -> None:
    """The table; KEEP=1 writes it to docs/faults/ too."""
    outcomes = config.stash.get(report.OUTCOMES, [])
    if outcomes:
        report.show(outcomes)
        if os.environ.get("KEEP"):
            report.keep(outcomes)
