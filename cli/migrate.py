"""`callboard migrate`."""

import asyncio

import typer
from sqlalchemy.exc import SQLAlchemyError

from cli.output import AsJson, print_json
from cli.session import reason
from db.database import UNAVAILABLE, Database
from db.migrate import current_revision, upgrade
from errors import ServerUnavailable
from services.shown import shown
from settings import Settings, load


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this version's tables."""
    at = asyncio.run(_migrate(load()))
    print_json({"revision": at}) if as_json else typer.echo(f"The database is at revision {at}.")


async def _migrate(settings: Settings) -> str | None:
    database = Database(settings)
    try:
        await upgrade(settings)
        at, _ = await current_revision(database)
    except (*UNAVAILABLE, SQLAlchemyError) as error:
        raise ServerUnavailable(
            f"The database {shown(settings.database_url)} could not be migrated: {reason(error)}\n"
            "Start it, or correct DATABASE_URL, and run `callboard migrate` again."
        ) from error
    finally:
        await database.close()
    return at
