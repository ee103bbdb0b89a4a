"""Everything through a pooler in transaction mode: each transaction may have another connection."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from settings import Settings
from tests.pooler.pgbouncer import start
from tests.runtime.conftest import stage

__all__ = ["stage"]


@pytest_asyncio.fixture
async def environment(settings: Settings, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """What a process of ours needs to work through the pooler."""
    url, process = await start(environment["DATABASE_URL"], tmp_path)
    yield environment | {"DATABASE_URL": url, "DATABASE_POOLER": "true"}
    process.kill()
