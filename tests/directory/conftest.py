"""A real directory, Debian's slapd, that speaks as Active Directory does.

directory   an empty one                                                                    (each test)
asked       Settings of somebody who reads it                                               (each test)
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from settings import Settings
from tests.directory.slapd import ADMIN, PASSWORD, PEOPLE, Directory, slapd, start
from tests.runtime.engine import hurry

__all__ = ["hurry"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without slapd these tests cannot be run, and the run says so at its end."""
    if slapd() is None:
        mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
        config.stash[LEFT_OUT] = len(mine)
        items[:] = [item for item in items if item not in mine]


LEFT_OUT = pytest.StashKey[int]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(
            f"{left_out} tests of the directory were NOT run: there is no slapd here. "
            "Install it (on Debian: apt-get install slapd).",
            red=True,
        )


@pytest_asyncio.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    (folder := tmp_path / "slapd").mkdir()
    directory, process = await start(folder)
    yield directory
    process.kill()


@pytest.fixture
def asked(directory: Directory, settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump(exclude_unset=True) | lower(environment_of(directory)))


def environment_of(directory: Directory) -> dict[str, str]:
    """What a worker needs to read it."""
    return {
        "LDAP_URL": directory.url,
        "LDAP_CA_FILE": str(directory.authority),
        "LDAP_BIND_DN": ADMIN,
        "LDAP_PASSWORD": PASSWORD,
        "LDAP_BASE_DN": PEOPLE,
        "LDAP_FILTER": "(objectClass=user)",
        "LDAP_PAGE_SIZE": "2",
    }


def lower(variables: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in variables.items()}
