"""What a list of jobs shows of each besides its row, and how many there are of each state."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from db import listing
from db.models import Job
from services.masking import masking

CAP = 10_000  # jobs of a queue, or of a state in which they end, that are counted at most
ENDED = ("succeeded", "failed", "cancelled")


async def summaries(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The arguments of these jobs in a line each, secrets masked; of large ones only that they are large."""
    if not ids:
        return {}
    connection = await session.connection()
    rows = await connection.exec_driver_sql(listing.ARGUMENTS, (list(ids),))
    return {uuid.UUID(str(row.id)): _line(row) for row in rows}


def _line(row: Any) -> str:
    if row.args is None:
        return f"({row.bytes:,} bytes)"
    args, kwargs = masking().arguments(row.actor, row.args, row.kwargs)
    return ", ".join([*map(_short, args), *(f"{name}={_short(value)}" for name, value in kwargs.items())])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


@dataclass(frozen=True)
class Counts:
    """Jobs by state. Of those that have not ended the first CAP of each queue are counted; if there are more in one
    (`is_capped`), there are at least so many. Of others CAP of each state."""

    queued: int
    scheduled: int
    retrying: int
    running: int
    waiting: int
    paused: int
    is_capped: bool
    succeeded: int
    failed: int
    cancelled: int


async def counts(session: AsyncSession) -> Counts:
    """How many jobs there are by what people see of their state."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(listing.COUNTS, (CAP,))).one()
    return Counts(**row._asdict())


async def rows(session: AsyncSession, ids: Sequence[uuid.UUID]) -> list[Job]:
    """These jobs, those that exist, without what may be large."""
    large = (defer(column, raiseload=True) for column in (Job.args, Job.kwargs, Job.result))
    return list(await session.scalars(select(Job).options(*large).where(Job.id.in_(ids))))


async def in_order(session: AsyncSession, ids: Sequence[uuid.UUID]) -> list[Job]:
    """The same, in that order."""
    found = {job.id: job for job in await rows(session, ids)} if ids else {}
    return [found[one] for one in ids if one in found]


async def children(session: AsyncSession, job_id: uuid.UUID, most: int) -> list[Job]:
    """The jobs that this one has made, first to last."""
    large = (defer(column, raiseload=True) for column in (Job.args, Job.kwargs, Job.result))
    statement = select(Job).options(*large).where(Job.parent_id == job_id).order_by(Job.id).limit(most)
    return list(await session.scalars(statement))
