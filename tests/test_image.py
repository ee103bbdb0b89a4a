"""What runs in the container: the packages of requirements.lock, the source beside them, and nothing else installed."""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from runtime.client import Client
from tests.support.process import ROOT, Process
from tests.support.waiting import wait_for


@pytest.fixture
def image(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds what the image has."""
    packages = tmp_path / "packages"
    packages.mkdir()
    lines = re.findall(r"^[a-z0-9._-]+==[^\\]+", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    for locked in map(Requirement, lines):
        if locked.marker and not locked.marker.evaluate():
            continue
        found = distribution(locked.name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(found.locate_file(top))))
    return environment | {"PYTHONPATH": f"{packages}:{ROOT}"}


def process(image: dict[str, str], log: Path, *module: str) -> Process:
    """Python without its own site-packages."""
    return Process([sys.executable, "-S", "-m", *module], image, log)


async def test_a_worker_of_the_image_registers_and_can_claim(
    image: dict[str, str], client: Client, processes: list[Process], tmp_path: Path
) -> None:
    processes.append(process(image, tmp_path / "worker.log", "dramatiq", "actors", "--processes", "1"))

    async def registered() -> bool:
        assert processes[0].code is None, processes[0].output
        async with client.database.connection() as connection:
            return bool(await connection.fetchval("select exists (select from workers where version <> '')"))

    await wait_for(registered, 60, "the worker's row")


async def test_a_scheduler_and_a_web_process_of_the_image_start(
    image: dict[str, str], processes: list[Process], tmp_path: Path
) -> None:
    for number, (says, *module) in enumerate(
        [("scheduling is ready", "scheduling"), ("Uvicorn running on", "uvicorn", "--port", "0", "web:app")]
    ):
        processes.append(process(image, tmp_path / f"{number}.log", *module))
        await processes[-1].says(says)
