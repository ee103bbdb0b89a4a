"""docs/how-to/migrate-a-scheduler.md does what it says: its files are written and its commands run, in order."""

import re
from pathlib import Path

import pytest

from runtime.client import Client
from tests.conftest import StartProcess
from tests.runtime.observing import fetch, value
from tests.support.process import ROOT, Process
from tests.support.waiting import wait_for

PAGE = (ROOT / "docs/how-to/migrate-a-scheduler.md").read_text()
FILES = re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, flags=re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ") for block in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.splitlines()
]  # fmt: skip


@pytest.mark.timeout(300)
async def test_the_page_can_be_followed(
    client: Client,
    worker: StartProcess,
    scheduler: StartProcess,
    processes: list[Process],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Given a worker and a scheduler, when the page is followed from its first line to its last, then both schedulers
    planned the same times, Callboard ran after the cut-over, and only then."""
    await worker("actors")
    await (await scheduler()).says("this process leads")
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    (tmp_path / "follow.sh").write_text("\n".join(["set -eux", *COMMANDS]) + "\n")
    page = Process(["bash", "follow.sh"], environment | {"COLUMNS": "200"}, tmp_path / "follow.log")
    processes.append(page)
    assert await page.ended(timeout=240) == 0, page.output
    output = page.output

    assert re.search(r"Heartbeat: [1-9]\d* planned times in both, 0 in one only", output), output
    assert "5 would be created" in output
    assert "30 8 * * mon-fri (Europe/Berlin)" in output
    made = await fetch(client, "select schedule, triggered_by, planned_at from scheduled_job_executions"
                       " where job_id is not null order by planned_at")  # fmt: skip
    assert {(run["schedule"], run["triggered_by"] == "schedule") for run in made} >= {
        ("Heartbeat", True), ("Weekly cleanup", False),
    }  # fmt: skip
    shadows = "select max(planned_at) from scheduled_job_executions where status = 'shadow' and planned_at < $1"
    assert await value(client, shadows, made[0]["planned_at"]) is not None

    async def sent() -> bool:
        return bool(await value(client, "select bool_and(outcome = 1) from jobs"))

    await wait_for(sent)


def test_the_page_has_its_files_and_commands() -> None:
    assert [name for name, _ in FILES] == ["old_app.py", "beat.sql", "write_down.py", "compare.py"]
    assert len(COMMANDS) > 10
