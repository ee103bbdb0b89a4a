"""Saved views: searches of the job list under names, each person's own."""

import uuid

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from db import views
from db.database import cause
from db.models import SavedView
from errors import BadArguments, Conflict, NotFound

MOST = 50  # views of a person
LONGEST = 100  # characters of a name


async def listed(session: AsyncSession, user_id: uuid.UUID) -> list[SavedView]:
    """A person's, by name."""
    found = select(SavedView).where(SavedView.user_id == user_id).order_by(SavedView.name)
    return list(await session.scalars(found))


async def save(session: AsyncSession, user_id: uuid.UUID, name: str, query: str) -> None:
    """Keep it, in place of the one that had the name. Raises BadArguments or Conflict (too many)."""
    if len(query) > 1_000 or "\0" in query:
        raise BadArguments("A search has up to 1,000 characters.", "q")
    if not await _execute(session, views.SAVE, user_id, _checked(name), query, MOST):
        raise Conflict(f"You have {MOST} views already. Delete one first.")


async def rename(session: AsyncSession, user_id: uuid.UUID, name: str, to: str) -> None:
    """Raises BadArguments, NotFound, or Conflict (the name is taken)."""
    try:
        async with session.begin_nested():
            found = await _execute(session, views.RENAME, user_id, name, _checked(to))
    except DBAPIError as error:
        if isinstance(cause(error), asyncpg.UniqueViolationError):
            raise Conflict(f"There is a view {to.strip()!r} already.") from None
        raise
    if not found:
        raise NotFound(f"There is no view {name!r}.")


async def delete(session: AsyncSession, user_id: uuid.UUID, name: str) -> None:
    """Raises NotFound."""
    if not await _execute(session, views.DELETE, user_id, name):
        raise NotFound(f"There is no view {name!r}.")


def _checked(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise BadArguments(f"A view's name has between 1 and {LONGEST} characters.", "name")
    return name


async def _execute(session: AsyncSession, statement: str, *values: object) -> bool:
    connection = await session.connection()
    return (await connection.exec_driver_sql(statement, values)).first() is not None
