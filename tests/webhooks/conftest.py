"""One worker on our own actors and one scheduler, shared by the tests of a module."""

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runtime.client import Client
from tests.conftest import SHARED
from tests.http.hostile import Receiver, receiver
from tests.runtime.engine import Engine
from tests.support.waiting import wait_for

WORKER = ["dramatiq", "actors", "--processes", "1", "--threads", "2"]
SCHEDULER = ["python", "-m", "scheduling"]


class Carriers(Engine):
    async def run(self) -> None:
        await self._start("worker", WORKER, "Worker process is ready for action")
        await self._start("scheduler", SCHEDULER, "scheduling is ready")


@pytest_asyncio.fixture(scope="module")
async def carrying(
    request: pytest.FixtureRequest, migrated: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Carriers]:
    carriers = Carriers(tmp_path_factory.mktemp("carriers"))
    request.config.stash.setdefault(SHARED, {})["carriers"] = carriers
    yield carriers
    carriers.kill()


@pytest_asyncio.fixture
async def carriers(carrying: Carriers, client: Client) -> AsyncIterator[Carriers]:
    await carrying.run()
    before = carrying.output()
    yield carrying
    await wait_for(lambda: _is_quiet(client), what="the end of what the test has started")
    for name, output in carrying.output().items():
        sys.stdout.write(f"\n---- {name}\n{output[len(before[name]) :]}")


async def _is_quiet(client: Client) -> bool:
    async with client.database.connection() as connection:
        return bool(await connection.fetchval("select not exists (select from jobs where outcome is null)"))


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Receiver]:
    """The receiver of this test."""
    async with receiver() as here:
        yield here
