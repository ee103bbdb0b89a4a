"""The engine at work: one worker on the tests' actors and one scheduler, shared by the tests of a module."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from runtime.client import Client
from settings import Settings
from tests.conftest import SHARED
from tests.support.process import Process

ACTORS = [
    "tests.runtime.some_actors",
    "tests.runtime.control_actors",
    "tests.runtime.telemetry_actors",
    "tests.workflows.flow_actors",
]
WORKER = ["dramatiq", *ACTORS, "--processes", "1", "--threads", "4"]
SCHEDULER = ["python", "-m", "scheduling"]


class Engine:
    """Both processes; one that has ended is started again, so that one test's failure is not all the others'."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, Process] = {}

    async def run(self) -> None:
        await self._start("worker", WORKER, "Worker process is ready for action")
        await self._start("scheduler", SCHEDULER, "scheduling is ready")

    @property
    def worker(self) -> Process:
        return self._processes["worker"]

    def output(self) -> dict[str, str]:
        return {name: process.output for name, process in self._processes.items()}

    def kill(self) -> None:
        """Without waiting for anything: how they stop is for other tests."""
        for process in self._processes.values():
            if process.code is None:
                process.kill()

    async def _start(self, name: str, command: list[str], ready: str) -> None:
        process = self._processes.get(name)
        if process is None or process.code is not None:
            log = self._folder / f"{name}.log"
            log.unlink(missing_ok=True)
            self._processes[name] = process = Process(command, {"PYTHONUNBUFFERED": "1"}, log)
            await process.says(ready)


@pytest_asyncio.fixture(scope="module")
async def running(
    request: pytest.FixtureRequest, migrated: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    engine = request.config.stash.setdefault(SHARED, {})["engine"] = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.kill()


@pytest_asyncio.fixture
async def engine(running: Engine, client: Client, stage: None) -> AsyncIterator[Engine]:
    """A worker with four threads on the tests' actors, and a scheduler, both ready."""
    await running.run()
    before = running.output()
    yield running
    for name, output in running.output().items():
        sys.stdout.write(f"\n---- {name}\n{output[len(before[name]) :]}")


@pytest_asyncio.fixture
async def stage(client: Client, settings: Settings) -> None:
    """The empty table in which the tests' actors leave what they have done."""
    async with client.database.connection() as connection:
        await connection.execute("create schema if not exists stage")
        await connection.execute(
            "create table if not exists stage.effects"
            " (job uuid, attempt integer, note text, at timestamptz default now())"
        )
        await connection.execute("truncate stage.effects")


@pytest.fixture(autouse=True)
def hurry(processes: list[Process]) -> Iterator[None]:
    """Ends a test's own processes without waiting for them: how they stop is for tests/runtime/test_stops.py."""
    yield
    for process in processes:
        process.kill()
