"""Does something to many jobs: all that fit a filter."""

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import dramatiq
from sqlalchemy.ext.asyncio import AsyncSession

from db import control, search
from db.search import Filter, Position
from runtime import current_job, payload, verbs
from runtime.verbs import Verb

WINDOW = 500  # jobs that are looked at, and perhaps changed, in one transaction: their workers wait for it


@dramatiq.actor(
    queue_name="maintenance", max_retries=20, max_backoff=60_000, time_limit=86_400_000, enqueued_by="services"
)
async def change_jobs(
    verb: str,
    only: dict[str, Any],
    who: str,
    reason: str | None = None,
    from_start: bool = False,
    total: int | None = None,
) -> dict[str, Any]:
    """Pause, resume, cancel, retry, make due or delete all jobs that fit, newest first; `only` is a db.search.Filter,
    `total` how many that were when they were counted.

    Each window's changes, their rows in the audit and how far it has come are committed together: a crash, a pause or a
    deploy neither repeats nor leaves out anything. Jobs made after its start are left alone, and itself. Returns how
    many were changed, and how many were left as they were, by the state in which it made no sense.
    """
    job = current_job()
    wanted, only_these = Verb(verb), Filter.model_validate(only)
    if job.resumed_from is None:
        async with job.database.session() as session:
            await job.checkpoint({"position": _written(await search.now(session)), "changed": 0, "left": {}})
    while (state := job.resumed_from)["position"] is not None:
        state = {**state}
        async with job.transaction(checkpoint=state) as session:
            ids, end = await search.ids(session, only_these, _read(state["position"]), WINDOW)
            ids = [found for found in ids if found != job.id]
            changed = await _change(session, wanted, ids, who, reason, from_start)
            state["position"] = None if end is None else _written(end)
            state["changed"] += len(changed)
            state["left"] = dict(Counter(state["left"]) + await _left(session, set(ids) - changed.keys()))
        await job.progress(state["changed"] + sum(state["left"].values()), total, verb)
        await job.pause_point()
    return {"changed": state["changed"], "left": state["left"]}


async def _change(
    session: AsyncSession, verb: Verb, ids: list[UUID], who: str, reason: str | None, from_start: bool
) -> verbs.Done:
    done = await verbs.do(session, verb, ids, who=who, reason=reason, from_start=from_start)
    details = payload.encode({"by": str(current_job().id)})
    connection = await session.connection()
    await connection.exec_driver_sql(control.NOTE, (who, f"job.{verb}", list(done), reason, details))
    return done


async def _left(session: AsyncSession, ids: set[UUID]) -> Counter[str]:
    connection = await session.connection()
    rows: list[Any] = list(await connection.exec_driver_sql(control.STATES, (list(ids),)))
    return Counter({row[0]: row[1] for row in rows})


def _written(position: Position) -> list[str]:
    return [position.at.isoformat(), str(position.id)]


def _read(written: list[str]) -> Position:
    return Position(datetime.fromisoformat(written[0]), UUID(written[1]))
