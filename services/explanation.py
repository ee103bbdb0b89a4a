"""Why is it not running? What holds a job, in sentences, the first cause first."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from db import explanation
from services.masking import masking


@dataclass(frozen=True)
class Cause:
    text: str
    link: str | None = None  # a page of the console where something can be done about it


async def why(session: AsyncSession, job_id: uuid.UUID) -> list[Cause]:
    """Nothing for a job that runs or has ended."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(explanation.WHY, (job_id,))).first()
    if row is None or row.state == "running":
        return []
    if row.state == "paused":
        return [Cause("It is paused. Resume it, and it goes on from its last checkpoint.")]
    return [_blocked(row)] if row.state == "waiting" else _queued(row)


def _queued(row: Any) -> list[Cause]:
    causes = []
    if not row.is_due:
        causes.append(Cause("It is due later. Run it now, if it should not wait."))
    if row.queue_pause is not None:
        why = _paused(row.queue_paused_until, row.queue_pause)
        causes.append(Cause(f"The queue {row.queue} is paused{why}", f"/queues/{row.queue}"))
    if row.actor_pause is not None:
        why = _paused(row.actor_paused_until, row.actor_pause)
        causes.append(Cause(f"The actor {row.actor} is paused{why}", f"/actors/{row.actor}"))
    if not row.listening and row.drained:
        told = f"Every worker that listens on the queue {row.queue} is drained, and takes no more jobs. Let one go on."
        causes.append(Cause(told, f"/queues/{row.queue}"))
    elif not row.listening:
        causes.append(Cause(f"No worker listens on the queue {row.queue}. Start one: dramatiq actors", "/queues"))
    if row.is_due and not row.is_dispatched and not row.is_scheduled:
        causes.append(Cause("No scheduler is there to send it to a worker. Start one: python -m scheduling", "/queues"))
    if row.is_due and row.ahead:
        more = " or more" if row.ahead >= 10_000 else ""
        causes.append(Cause(f"{row.ahead:,}{more} jobs of its queue come before it.", f"/queues/{row.queue}"))
    if not causes:
        causes.append(Cause("Nothing holds it: it starts as soon as a worker has a free slot."))
    return causes


def _paused(until: datetime | None, reason: str) -> str:
    """For how long, and why."""
    return (f" until {until:%Y-%m-%d %H:%M} UTC" if until else "") + f": {masking().text(reason)}"


def _blocked(row: Any) -> Cause:
    kind, _, name = row.blocked_by.partition(":")
    if kind == "actor":
        why = _paused(row.actor_paused_until, row.actor_pause) if row.actor_pause else "."
        return Cause(f"The actor {name} is paused{why}", f"/actors/{name}")
    told = f"As many jobs as the limit {name!r} allows run already, or have run lately."
    return Cause(told, f"/actors/{row.actor}")
