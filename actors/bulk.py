"""Does something to many jobs: all that fit a filter."""

from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import dramatiq
from sqlalchemy.ext.asyncio import AsyncSession

from db import control, search
from db.search import Filter, Position
from runtime import current_job, payload, verbs
from runtime.verbs import Place, Verb

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
    to_queue: str | None = None,
    to_priority: int | None = None,
) -> dict[str, Any]:
    """Pause, resume, cancel, retry, make due, move or delete all jobs that fit, newest first; `only` is a
    db.search.Filter, `total` how many that were when they were counted.

    Each window's changes, their rows in the audit and how far it has come are committed together: a crash, a pause or a
    deploy neither repeats nor leaves out anything. Jobs made after its start are left alone, and itself. Returns how
    many were changed, and how many were left as they were, by the state in which it made no sense.
    """
    job = current_job()
    wanted, only_these = Verb(verb), Filter.model_validate(only)
    do = partial(verbs.do, verb=wanted, who=who, reason=reason, from_start=from_start, to=Place(to_queue, to_priority))
    if job.resumed_from is None:
        async with job.database.session() as session:
            await job.checkpoint({"position": _written(await search.now(session)), "changed": 0, "left": {}})
    while (state := job.resumed_from)["position"] is not None:
        state = {**state}
        async with job.transaction(checkpoint=state) as session:
            ids, end = await search.ids(session, only_these, _read(state["position"]), WINDOW)
            ids = [found for found in ids if found != job.id]
            changed = await do(session, ids=ids)
            await _note(session, f"job.{wanted}", list(changed), who, reason)
            state["position"] = None if end is None else _written(end)
            state["changed"] += len(changed)
            state["left"] = dict(Counter(state["left"]) + await _left(session, set(ids) - changed.keys()))
        await job.progress(state["changed"] + sum(state["left"].values()), total, verb)
        await job.pause_point()
    return {"changed": state["changed"], "left": state["left"]}


async def _note(session: AsyncSession, action: str, ids: list[UUID], who: str, reason: str | None) -> None:
    details = payload.encode({"by": str(current_job().id)})
    connection = await session.connection()
    await connection.exec_driver_sql(control.NOTE, (who, action, ids, reason, details))


async def _left(session: AsyncSession, ids: set[UUID]) -> Counter[str]:
    connection = await session.connection()
    rows: list[Any] = list(await connection.exec_driver_sql(control.STATES, (list(ids),)))
    return Counter({row[0]: row[1] for row in rows})


def _written(position: Position) -> list[str]:
    return [position.at.isoformat(), str(position.id)]


def _read(written: list[str]) -> Position:
    return Position(datetime.fromisoformat(written[0]), UUID(written[1]))
