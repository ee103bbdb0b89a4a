"""The fixtures everybody shares. For the whole run, DATABASE_URL and REDIS_URL point to servers of its own (embedded
ones, or a database and a number on the given ones), and the working folder is an empty one.

    home        the run's CALLBOARD_HOME                                                              (session)
    migrated    the schema is in the database                                                         (session)
    settings    Settings for an empty database and an empty Redis                                     (each test)
    client      an open runtime.client.Client                                                         (each test)
    worker      `await worker("tests.runtime.some_actors", "--threads", "2", NAME="value")`: a real worker process
    scheduler   `await scheduler()`: a real `python -m scheduling`
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from db.migrate import upgrade
from errors import CallboardError
from runtime.client import Client
from settings import Settings
from tests.support import programs
from tests.support.databases import clean
from tests.support.process import Process
from tests.support.run import Run

StartProcess = Callable[..., Awaitable[Process]]

RUN = pytest.StashKey[Run]()


class Shared(Protocol):
    """Processes that the tests of a module share."""

    def kill(self) -> None: ...


SHARED = pytest.StashKey[dict[str, Shared]]()  # by the fixture that a test asks for them with


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        return  # the processes that run the tests (pytest-xdist) have a run each
    try:
        session.config.stash[RUN] = run = Run()
        run.start()
    except CallboardError as error:
        pytest.exit(str(error), returncode=3)


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash.get(RUN, None)
    if run:
        run.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    programs.leave_out(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended; one that was killed has said nothing."""
    programs.hear(node.config, getattr(node, "workeroutput", None) or {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    programs.tell(config, terminalreporter)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> None:
    """A test that has not asked for them has none of the processes that others of its module share: they would run its
    jobs."""
    for name, shared in request.config.stash.get(SHARED, {}).items():
        if name not in request.fixturenames:
            shared.kill()


@pytest.fixture(scope="session")
def home(request: pytest.FixtureRequest) -> Path:
    return request.config.stash[RUN].home


@pytest_asyncio.fixture(scope="session")
async def migrated() -> None:
    await upgrade(Settings())


@pytest_asyncio.fixture
async def settings(migrated: None, tmp_path: Path) -> Settings:
    settings = Settings(callboard_home=tmp_path)
    await clean(settings.postgres, settings.redis)
    return settings


@pytest_asyncio.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with Client.open(settings) as client:
        yield client


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """What a process of ours needs to work on the test's servers."""
    return {
        "DATABASE_URL": str(settings.database_url),
        "REDIS_URL": str(settings.redis_url),
        "CALLBOARD_HOME": str(settings.callboard_home),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Stopped at the end of the test, the last started first; their logs are shown when the test fails."""
    started: list[Process] = []
    yield started
    unwilling = []
    for process in reversed(started):
        try:
            process.stop()
        except AssertionError as error:
            unwilling.append(error)
    for process in started:
        sys.stdout.write(f"\n---- {' '.join(process.command)} (ended with {process.code})\n{process.output}")
    if unwilling:
        raise unwilling[0]


@pytest.fixture
def worker(processes: list[Process], environment: dict[str, str], tmp_path: Path) -> StartProcess:
    """A `dramatiq` worker of one process on a module that declares actors, ready for work."""
    numbers = count(1)

    async def start(module: str, *options: str, **variables: str) -> Process:
        command = ["dramatiq", module, "--processes", "1", "--threads", "4", *options]
        process = Process(command, environment | variables, tmp_path / f"worker-{next(numbers)}.log")
        processes.append(process)
        await process.says("Worker process is ready for action")
        return process

    return start


@pytest.fixture
def scheduler(processes: list[Process], environment: dict[str, str], tmp_path: Path) -> StartProcess:
    numbers = count(1)

    async def start(*options: str, **variables: str) -> Process:
        command = ["python", "-m", "scheduling", *options]
        process = Process(command, environment | variables, tmp_path / f"scheduler-{next(numbers)}.log")
        processes.append(process)
        await process.says("scheduling is ready")
        return process

    return start
