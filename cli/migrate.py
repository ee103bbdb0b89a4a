"""`callboard migrate`."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from cli.output import AsJson, say
from cli.session import reason
from db.database import UNAVAILABLE, Database
from db.migrate import current_revision, is_newer, upgrade
from errors import ServerUnavailable
from services.shown import shown
from settings import Settings, load


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this version's tables; those of a later version stay as they are."""
    at = asyncio.run(_migrate(load()))
    newer = ", of a later version than this one: nothing is changed" if is_newer(at) else ""
    document = {"revision": at, "is_newer": is_newer(at)}
    say(as_json, document, f"The database is at revision {at}{newer}.")


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
