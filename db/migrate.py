"""Brings the database to this version of the tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.database import Database
from settings import Settings

_LOCK = 0x0CA11B0A  # any number that only we use


def _config() -> Config:
    return Config(toml_file=Path(__file__).parent.parent / "pyproject.toml")


async def upgrade(settings: Settings) -> None:
    """Run the migrations that are missing. Several processes may start at once: one runs them, the others wait.

    Tables of a later version are left as they are: code that is rolled back works on them.
    """
    database = Database(settings)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade)
    finally:
        await database.close()


def _upgrade(connection: Connection) -> None:
    if is_newer(MigrationContext.configure(connection).get_current_revision()):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_newer(revision: str | None) -> bool:
    """A version after this one has migrated the database, and processes of both work side by side."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision is not None and revision not in known


async def current_revision(database: Database) -> tuple[str | None, str | None]:
    """The version the database is at, and the one it should be at."""
    async with database.engine.connect() as connection:
        at = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    return at, ScriptDirectory.from_config(_config()).get_current_head()
