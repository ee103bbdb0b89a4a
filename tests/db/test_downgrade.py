"""The tables of schedules can be removed again, and leave jobs alone."""

import os
import subprocess
import sys
from pathlib import Path

from db.migrate import upgrade
from settings import Settings
from tests.support.databases import create_database, drop_database
from tests.support.process import ROOT


async def test_the_schedules_can_be_taken_back(settings: Settings) -> None:
    """Given a database at this version, when it goes back to before the schedules and forward again, then both work."""
    url = await create_database(str(settings.database_url))
    try:
        other = Settings.model_validate({"database_url": url})
        await upgrade(other)
        back = subprocess.run(
            [Path(sys.executable).with_name("alembic"), "downgrade", "0007"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert back.returncode == 0, back.stderr
        await upgrade(other)
    finally:
        await drop_database(url)
