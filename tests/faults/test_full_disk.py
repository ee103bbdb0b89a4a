"""The disk that mails are written to is full."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import email
from services.jobs import Options
from tests.faults.conftest import Record
from tests.faults.report import Outcome
from tests.faults.stage import Stage


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "mail"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True, timeout=10)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True, timeout=10)


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_full_for_the_file_provider(stage: Stage, record: Record, small_disk: Path) -> None:
    """Given a full disk, when mails are sent, then their jobs say why they fail, and succeed once there is room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 65_536)
    await stage.scheduler()
    await stage.worker(EMAIL_FOLDER=str(small_disk))
    options = Options(max_retries=100, min_backoff=500, max_backoff=1_000)
    async with stage.client.session() as session:
        for number in range(8):
            await email.send(session, to=f"{number}@example.com", subject="room", text="enough?", options=options)
        await session.commit()
    await stage.until("select count(*) = 8 from jobs where error ->> 'message' like '%No space left on device%'")
    stage.strike()
    ballast.unlink()
    await stage.all_ended()
    succeeded = await stage.count("select count(*) from jobs where state = 'succeeded'")
    mails = list(small_disk.glob("*.eml"))
    ended = await stage.rows("select extract(epoch from max(finished_at))::float8, sum(attempt) - 8 from jobs")
    lost, doubled = 8 - min(succeeded, len(mails)), max(0, len(mails) - 8)
    seconds = ended[0][0] - stage.struck_at
    record(Outcome("disk full for the file provider of e-mail", 8, lost, doubled, ended[0][1], seconds))
    assert not list(small_disk.glob(".*.part"))
