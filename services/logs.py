"""What a job has logged: its end, what came since a line, and live."""

import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, Text, cast, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from db import listing
from db.models import Job, JobLog
from errors import NotFound
from runtime.client import Client

Level = Literal["debug", "info", "warning", "error"]
Position = tuple[int, int]  # attempt and line

MOST = 1_000  # lines an answer
_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    attempt: int
    number: int  # from 1 in each attempt; one that is missing was lost
    level: str  # "info"; a level of the job's own: "level 25"
    at: datetime
    message: str
    fields: dict[str, Any]

    @property
    def position(self) -> Position:
        """What `since` continues after."""
        return self.attempt, self.number


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which lines; all that is given must be met."""

    level: Level | None = None  # this one or a graver one
    attempt: int | None = None
    text: str | None = None  # in the message or the fields, upper and lower case alike


ALL = Filter()


async def tail(session: AsyncSession, job_id: uuid.UUID, lines: int = 100, only: Filter = ALL) -> list[Line]:
    """The last lines of a job, in their order; at most 1,000."""
    newest_first = _lines(job_id, only).order_by(JobLog.attempt.desc(), JobLog.line.desc())
    return [_line(row) for row in await session.scalars(newest_first.limit(min(lines, MOST)))][::-1]


async def since(
    session: AsyncSession, job_id: uuid.UUID, position: Position | None, lines: int = MOST, only: Filter = ALL
) -> list[Line]:
    """The lines after a position, None being the start, in their order; at most 1,000: ask again from the last one."""
    statement = _lines(job_id, only).order_by(JobLog.attempt, JobLog.line).limit(min(lines, MOST))
    if position is not None:
        statement = statement.where(tuple_(JobLog.attempt, JobLog.line) > position)
    return [_line(row) for row in await session.scalars(statement)]


async def last(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Line]:
    """The last line of each of these jobs that has logged any."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(listing.LAST_LINES, (list(ids),))
    return {uuid.UUID(str(row.job_id)): _line(row) for row in rows}


async def follow(
    client: Client, job_id: uuid.UUID, position: Position | None = None, only: Filter = ALL
) -> AsyncIterator[Line]:
    """The lines after a position, and those that come, until the job has ended. Raises NotFound."""
    async with client.watcher.watch(job_id) as watch:
        while True:
            # First whether it has ended: its last lines are written before that.
            has_ended = await _has_ended(client, job_id)
            while True:
                async with client.database.session() as session:
                    lines = await since(session, job_id, position, only=only)
                for line in lines:
                    yield line
                    position = line.position
                if len(lines) < MOST:
                    break
            if has_ended:
                return
            await watch.changed()


async def _has_ended(client: Client, job_id: uuid.UUID) -> bool:
    async with client.database.session() as session:
        found = (await session.execute(select(Job.outcome).where(Job.id == job_id))).first()
    if found is None:
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return found.outcome is not None


def _lines(job_id: uuid.UUID, only: Filter) -> Select[JobLog]:
    statement = select(JobLog).where(JobLog.job_id == job_id)
    if only.level is not None:
        statement = statement.where(JobLog.level >= _LEVELS[only.level])
    if only.attempt is not None:
        statement = statement.where(JobLog.attempt == only.attempt)
    if only.text:
        columns = (JobLog.message, cast(JobLog.fields, Text))
        statement = statement.where(or_(*(column.icontains(only.text, autoescape=True) for column in columns)))
    return statement


def _line(row: JobLog | Any) -> Line:
    return Line(row.attempt, row.line, _name(row.level), row.logged_at, row.message, row.fields or {})


def _name(level: int) -> str:
    return logging.getLevelName(level).lower()
