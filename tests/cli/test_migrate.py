"""`callboard migrate`."""

import subprocess
from pathlib import Path
from sys import executable

from db.database import Database
from settings import Settings
from tests.support.databases import create_database, drop_database
from tests.support.process import ROOT


async def test_tables_of_a_later_version_are_left_alone(settings: Settings, environment: dict[str, str]) -> None:
    """Given a release that is rolled back, when it migrates as each release does, then it says so and goes on."""
    url = await create_database(str(settings.database_url))

    def migrate() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(executable).with_name("callboard"), "migrate"],
            cwd=ROOT, env=environment | {"DATABASE_URL": url, "PATH": ""}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    try:
        assert migrate().returncode == 0
        database = Database(Settings.model_validate({"database_url": url}))
        async with database.connection() as connection:
            await connection.execute("update alembic_version set version_num = '9999'")
        await database.close()
        again = migrate()
    finally:
        await drop_database(url)
    assert again.returncode == 0, again.stderr
    assert "revision 9999, of a later version than this one: nothing is changed" in again.stdout
