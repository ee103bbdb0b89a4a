"""A CALLBOARD_HOME for one test, and what its processes are told."""

from pathlib import Path

import pytest

from local.server import free_port
from tests.support.process import ROOT


@pytest.fixture
def own_home(home: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own, closed to everybody else at first."""
    folder = home / str(request.node.name)
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def fresh_machine(own_home: Path) -> dict[str, str]:
    """As on a machine where nothing is set and nothing runs."""
    return {
        "CALLBOARD_HOME": str(own_home),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
