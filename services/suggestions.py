"""What somebody may mean who types the beginning of a name: what there is, from catalogues (see db/suggestions.py)."""

from dataclasses import dataclass
from typing import Literal

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from db import suggestions
from db.database import cause
from services import actors

Kind = Literal["actor", "queue", "owner", "tag", "error_type", "error_group", "schedule", "workflow", "worker"]

MOST = 12
_SECONDS = 0.05  # for one look: who types does not wait
_STATEMENTS: dict[Kind, str] = {
    "actor": suggestions.ACTORS, "queue": suggestions.QUEUES, "owner": suggestions.OWNERS, "tag": suggestions.TAGS,
    "error_type": suggestions.ERROR_TYPES, "error_group": suggestions.ERROR_GROUPS, "schedule": suggestions.SCHEDULES,
    "workflow": suggestions.WORKFLOWS, "worker": suggestions.WORKERS,
}  # fmt: skip


@dataclass(frozen=True)
class Suggestion:
    value: str
    hint: str = ""  # what it is, where the value alone does not say so; an error's text in it is not masked


async def values(session: AsyncSession, kind: Kind, typed: str) -> list[Suggestion]:
    """At most MOST of what exists and fits what was typed; nothing where finding that out would take long. Owners begin
    with it; of the others it may be any part, and those that begin with it come first."""
    typed = typed.replace("\0", "")
    found = await _look(session, _STATEMENTS[kind], typed)
    if kind == "owner":
        return [one for one in found if one.value.lower().startswith(typed.lower())]
    declared = {"actor": actors.names, "queue": actors.queues}.get(kind)
    return _with_declared(found, declared(), typed.lower()) if declared else found


def _with_declared(found: list[Suggestion], declared: list[str], typed: str) -> list[Suggestion]:
    """What this process knows exists, though no worker may have started yet."""
    known = {name: Suggestion(name) for name in declared if typed in name.lower()}
    known |= {one.value: one for one in found}
    return sorted(known.values(), key=lambda one: (not one.value.lower().startswith(typed), one.value))[:MOST]


async def _look(session: AsyncSession, statement: str, typed: str) -> list[Suggestion]:
    connection = await session.connection()
    try:
        async with session.begin_nested():
            await session.execute(text(f"set local statement_timeout = {int(_SECONDS * 1000)}"))
            rows = (await connection.exec_driver_sql(statement, (typed, MOST))).all()
            await session.execute(text("set local statement_timeout to default"))
    except DBAPIError as error:
        if isinstance(cause(error), asyncpg.QueryCanceledError):
            return []
        raise
    return [Suggestion(row.value, row.hint) for row in rows]
