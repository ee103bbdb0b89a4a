"""Programs that some tests need and that may not be here. Those tests are left out then, and the run says so at its
end, also where it is several processes (pytest-xdist): each says how many it has left out to the one that reports."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_TESTS = Path(__file__).parents[1]


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def slapd() -> str | None:
    return shutil.which("slapd", path=_PATH)


def pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=_PATH)


@dataclass(frozen=True)
class Need:
    """All tests of a folder of tests/ need the program."""

    folder: str
    program: Callable[[], str | None]
    what: str
    name: str
    how: str


NEEDS = (
    Need("browser", chromium, "tests of the console in a browser", "Chromium",
         "on Debian: apt-get install chromium; or set CHROMIUM to its path"),
    Need("directory", slapd, "tests of the directory", "slapd", "on Debian: apt-get install slapd"),
    Need("pooler", pgbouncer, "tests with a pooler", "PgBouncer", "on Debian: apt-get install pgbouncer"),
)  # fmt: skip

_LEFT_OUT = pytest.StashKey[dict[str, int]]()  # tests by folder
_OUTPUT = "left_out"  # the same, of a process of pytest-xdist


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests that were collected those whose program is not here."""
    left_out: dict[str, int] = {}
    for need in NEEDS:
        if need.program() is None:
            kept = [item for item in items if not item.path.is_relative_to(_TESTS / need.folder)]
            left_out[need.folder] = len(items) - len(kept)
            items[:] = kept
    config.stash[_LEFT_OUT] = left_out
    output: dict[str, Any] = getattr(config, "workeroutput", {})
    output[_OUTPUT] = left_out


def hear(config: pytest.Config, output: dict[str, Any]) -> None:
    """What a process of pytest-xdist has left out; each has collected the same tests."""
    if _OUTPUT in output:
        config.stash[_LEFT_OUT] = output[_OUTPUT]


def tell(config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
    left_out = config.stash.get(_LEFT_OUT, {})
    for need in NEEDS:
        if number := left_out.get(need.folder):
            said = f"{number} {need.what} were NOT run: there is no {need.name} here. Install it ({need.how})."
            reporter.write_line(said, red=True)
