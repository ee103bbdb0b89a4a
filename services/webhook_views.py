"""What people want to see of webhooks at a glance: lists, the health of endpoints, and what a replay would send."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from db import webhooks
from services.webhook import FAILED, Filter

CAP = 10_000
HEALTH_OF = 1_000  # deliveries of each endpoint


@dataclass(frozen=True)
class Told:
    """What a list shows of a delivery besides its row; `url` is that of its endpoint, if it has one."""

    event_type: str | None
    url: str | None
    status: int | None
    code: str | None
    is_try: bool  # of another delivery, at an address of somebody's own (services/webhook_trials.py)


@dataclass(frozen=True)
class Health:
    """Of an endpoint over the last 24 h, as far as its newest 1,000 deliveries tell."""

    succeeded: int = 0
    ended: int = 0
    waiting: int = 0

    @property
    def success(self) -> float | None:
        """Per cent; None where nothing has ended."""
        return 100 * self.succeeded / self.ended if self.ended else None


async def told(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Told]:
    """By delivery."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(webhooks.TOLD, (list(ids),))
    return {row.id: Told(row.event_type, row.url, row.status, row.code, row.is_try) for row in rows}


async def health(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Health]:
    """By endpoint."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(webhooks.HEALTH, (list(ids), HEALTH_OF))
    return {row.id: Health(row.succeeded, row.ended, row.waiting) for row in rows}


async def waiting(session: AsyncSession, endpoint_id: uuid.UUID) -> int:
    """How many deliveries to it have not ended, however old they are; not counted further than CAP."""
    connection = await session.connection()
    count: int = (await connection.exec_driver_sql(webhooks.COUNT_OPEN, (endpoint_id, CAP))).scalar_one()
    return count


async def to_replay(session: AsyncSession, only: Filter) -> int:
    """How many deliveries `webhook.replay_matching` would send now; not counted further than CAP."""
    connection = await session.connection()
    types = list(only.event_types) if only.event_types else None
    parameters = (only.endpoint_id, list(only.outcomes or FAILED), only.since, only.until, types, CAP)
    count: int = (await connection.exec_driver_sql(webhooks.COUNT_TO_REPLAY, parameters)).scalar_one()
    return count
