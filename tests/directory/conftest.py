"""A real directory, Debian's slapd, that speaks as Active Directory does.

directory   an empty one                                                                    (each test)
asked       Settings of somebody who reads it                                               (each test)
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from settings import Settings
from tests.directory.slapd import ADMIN, PASSWORD, PEOPLE, Directory, start
from tests.runtime.engine import hurry

__all__ = ["hurry"]


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
