"""Tests of `make dev`, on a copy of the tree whose files can be changed."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.process import ROOT, Process


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".*", "tests", "docs", "__pycache__", "*.egg-info", "build")
    return Path(shutil.copytree(ROOT, folder, ignore=ignored))


async def test_the_stack_starts_again_when_a_file_changes(
    copy: Path, fresh_machine: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    # Given
    dev = Process([sys.executable, "-m", "local", "dev"], fresh_machine | {"PYTHONPATH": str(copy)}, tmp_path / "log")
    processes.append(dev)
    await dev.says("Worker process is ready for action")
    await dev.says("Uvicorn running on")

    # When a file is broken
    actor = copy / "actors" / "broken.py"
    actor.write_text("x = (\n")

    # Then it says so, and lives
    await dev.says("Changed: actors/broken.py. Starting again.")
    await dev.says("worker ended with 1. It starts again when a file changes.")

    # When it is mended
    actor.write_text("x = ()\n")

    # Then all is well again
    await dev.says("Worker process is ready for action", times=2)
    await dev.says("Uvicorn running on", times=2)

    # When a page is changed, and a migration comes
    template = copy / "web" / "templates" / "overview.html"
    template.write_text(template.read_text() + "\n")
    await dev.says("Changed: web/templates/overview.html. Starting again.")
    versions = copy / "db" / "migrations" / "versions"
    head = max(path.name[:4] for path in versions.glob("0*.py"))
    text = f'"""Nothing."""\n\nrevision, down_revision = "9999", "{head}"\n\n\ndef upgrade() -> None:\n    pass\n'
    (versions / "9999_nothing.py").write_text(text)

    # Then it is applied before all starts again
    await dev.says("The database is at revision 9999.")
    await dev.says("Uvicorn running on", times=3)
    assert dev.stop() == 0
    assert "Stopped." in dev.output
