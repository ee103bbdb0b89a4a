"""Everything through a pooler in transaction mode: each transaction may have another connection."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from settings import Settings
from tests.pooler.pgbouncer import pgbouncer, start
from tests.runtime.conftest import stage

__all__ = ["stage"]

LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without PgBouncer these tests cannot be run, and the run says so at its end."""
    if pgbouncer() is None:
        mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
        config.stash[LEFT_OUT] = len(mine)
        items[:] = [item for item in items if item not in mine]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(
            f"{left_out} tests with a pooler were NOT run: there is no PgBouncer here. "
            "Install it (on Debian: apt-get install pgbouncer).",
            red=True,
        )


@pytest_asyncio.fixture
async def environment(settings: Settings, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """What a process of ours needs to work through the pooler."""
    url, process = await start(environment["DATABASE_URL"], tmp_path)
    yield environment | {"DATABASE_URL": url, "DATABASE_POOLER": "true"}
    process.kill()
