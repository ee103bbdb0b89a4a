"""Workflows: start them in the caller's own transaction, and act on them. What they are made of: runtime/flow.py."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from db import workflow_jobs, workflow_steps, workflows
from errors import BadRequest, Conflict, NotFound
from runtime import payload
from runtime.advance import Advance, Error
from runtime.flow import (
    Flow,
    chain,
    chord,
    each,
    graph,
    group,
    s,
    si,
    sleep,
    sleep_until,
    wait_for,
)  # fmt: skip
from runtime.handle import running
from runtime.ids import uuid7
from runtime.options import Options
from runtime.outbox import Outbox
from runtime.plan import CHUNK, Plan, PlannedStep
from runtime.release import Ended
from runtime.transport import CONTROL, WAKE, Notice
from services import audit

__all__ = [
    "Flow", "Options", "Started", "cancel", "chain", "chord", "each", "graph", "group", "pause", "rerun", "resume",
    "retry", "s", "si", "signal", "skip", "sleep", "sleep_until", "start", "wait_for",
]  # fmt: skip

_LONGEST = timedelta(days=3660)
_ENDED = ("succeeded", "failed", "cancelled", "compensated")


@dataclass(frozen=True)
class Started:
    """A workflow that exists once the session commits. `created` is False if its idempotency key found one."""

    id: uuid.UUID
    created: bool


async def start(
    session: AsyncSession,
    flow: Flow,
    *,
    name: str | None = None,
    owner: str | None = None,
    idempotency_key: str | None = None,
    time_limit: timedelta | None = None,
) -> Started:
    """Write a workflow in the session's transaction; it begins when that commits, and never if it does not.

    `name` is its first step's unless given; started by a job, it knows which. With an `idempotency_key`, a second start
    by the same owner finds the first one. Not ended after `time_limit` it fails, and its jobs are cancelled.
    Raises BadRequest, BadArguments or TooLarge, naming the step, nothing written.
    """
    plan = Plan.of(flow)
    for what, text in (("name", name), ("owner", owner), ("idempotency_key", idempotency_key)):
        _check_text(what, text)
    if time_limit is not None and not timedelta() < time_limit <= _LONGEST:
        raise BadRequest(f"time_limit {time_limit} is not within 0 and {_LONGEST.days} days.")
    _check_items(plan)
    connection = await _bare(session)
    workflow = uuid7()
    seconds = time_limit.total_seconds() if time_limit else None
    parent = running()
    row = workflow, name or plan.steps[0].name, owner, idempotency_key, seconds, parent.job_id if parent else None
    while not await connection.fetch(workflows.INSERT, *row):
        found = await connection.fetchval(workflows.BY_KEY, owner, idempotency_key)
        if found is not None:
            return Started(uuid.UUID(str(found)), created=False)
    await _write(session, connection, workflow, plan)
    async with _advancing(session, connection, workflow) as advance:
        await advance.resume(workflow)
    return Started(workflow, created=True)


async def cancel(
    session: AsyncSession, workflow: uuid.UUID, *, who: str, reason: str = "", compensate: bool = False
) -> None:
    """Begin nothing more, cancel what runs, and with `compensate` undo what was done. Raises NotFound or Conflict."""
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "cancelled", "running", "paused")
        error = Error("Cancelled", reason or "A person wanted so.")
        await advance.stop(workflow, error, state="cancelling", compensates=compensate)
        await connection.execute(workflow_jobs.WANT_JOBS_CANCELLED, workflow, reason or "its workflow was cancelled")
    _note(session, who, "cancel", workflow, reason, compensate=compensate)


async def pause(session: AsyncSession, workflow: uuid.UUID, *, who: str, reason: str = "") -> None:
    """Begin nothing more until it is resumed; what runs stops where it can be gone on with, or runs to its end."""
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "paused", "running")
        await connection.execute(workflows.PAUSE, workflow)
        await connection.execute(workflow_jobs.PAUSE_JOBS, workflow, reason or "its workflow was paused")
    _note(session, who, "pause", workflow, reason)


async def resume(session: AsyncSession, workflow: uuid.UUID, *, who: str, reason: str = "") -> None:
    """Go on where it was paused."""
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "resumed", "paused")
        await connection.execute(workflows.RESUME, workflow)
        await connection.execute(workflow_jobs.RESUME_JOBS, workflow)
        await advance.lock([workflow])
        await advance.resume(workflow)
    _note(session, who, "resume", workflow, reason)


async def retry(session: AsyncSession, workflow: uuid.UUID, *, who: str, reason: str = "") -> None:
    """Go on from what failed or was cancelled. Failed jobs run again as the jobs they are, from their checkpoints; what
    has succeeded is left alone. Where an undo had failed, undoing goes on."""
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "retried", "failed", "cancelled")
        if await advance.compensate_again(workflow):
            if not await connection.fetch(workflow_jobs.QUEUE_FAILED_JOBS, workflow, True):
                raise Conflict(
                    f"The undo of workflow {workflow} that failed is being run again, and undoing goes on with it; "
                    "or its job has been deleted since: then undo it by hand."
                )
        else:
            await connection.fetch(workflow_jobs.QUEUE_FAILED_JOBS, workflow, False)
            await advance.reopen(workflow)
    _note(session, who, "retry", workflow, reason)


async def rerun(session: AsyncSession, workflow: uuid.UUID, step: str | None, *, who: str, reason: str = "") -> None:
    """Do a step of an ended workflow again, and all that comes after it, with new jobs; without a step all of it."""
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "run again", "succeeded", "failed", "cancelled")
        if step is None:
            again = await connection.fetch(workflow_steps.ALL, workflow)
        else:
            again = await connection.fetch(workflow_steps.AFTER, (await _step(connection, workflow, step))["id"])
        await advance.reopen(workflow, [row["id"] for row in again])
    _note(session, who, "rerun", workflow, reason, step=step)


async def skip(
    session: AsyncSession, workflow: uuid.UUID, step: str, *, who: str, reason: str = "", result: Any = None
) -> None:
    """Count a step as succeeded, with this result, though it was not done; a failed workflow goes on with that."""
    text = payload.encode_result(result)
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        _require(advance, workflow, "skipped in", "running", "paused", "failed", "cancelled")
        found = await _step(connection, workflow, step)
        has_ended = advance.state(workflow) in _ENDED
        if not has_ended and found["state"] in ("failed", "cancelled"):
            raise Conflict(f"The step {step!r} is {found['state']}. Skip it once the workflow has ended.")
        skipped = await connection.fetch(workflow_steps.SKIP, workflow, step, text)
        if not skipped:
            raise Conflict(f"The step {step!r} is {found['state']}. What runs can be cancelled, what is done is done.")
        if has_ended:
            await advance.reopen(workflow)
        else:
            await advance.skipped(skipped[0])
    _note(session, who, "skip", workflow, reason, step=step)


async def signal(session: AsyncSession, workflow: uuid.UUID, event: str, payload_: Any = None, *, who: str) -> None:
    """An event that a workflow waits for, or will, has happened. Raises Conflict if it was said before."""
    text = payload.encode_result(payload_)
    connection = await _bare(session)
    async with _advancing(session, connection, workflow) as advance:
        names = [row["event"] for row in await connection.fetch(workflow_steps.EVENT_NAMES, workflow)]
        if event not in names:
            known = ", ".join(names) or "it waits for none"
            raise NotFound(f"Workflow {workflow} does not wait for an event {event!r}. Its events: {known}.")
        _require(advance, workflow, "told of an event", "running", "paused")
        if not await connection.fetch(workflow_steps.RECEIVE, workflow, event, text, who):
            raise Conflict(f"Workflow {workflow} was told of {event!r} before. Only the first time counts.")
        waits = await connection.fetch(workflow_steps.WAITS_FOR, workflow, event)
        await advance.end([Ended(step["id"], "succeeded", text) for step in waits])
    _note(session, who, "event", workflow, "", event=event)


async def _bare(session: AsyncSession) -> asyncpg.Connection:
    """The session's connection for statements of our own, in the session's transaction."""
    await session.flush()
    connection = await session.connection()
    await connection.exec_driver_sql("select")  # SQLAlchemy begins the transaction with its first statement
    return (await connection.get_raw_connection()).driver_connection


@asynccontextmanager
async def _advancing(
    session: AsyncSession, connection: asyncpg.Connection, workflow: uuid.UUID
) -> AsyncIterator[Advance]:
    """Hold a workflow; at the end write what follows, and send it after the commit. Raises NotFound."""
    outbox: Outbox | None = session.info.get("outbox")
    advance = Advance(connection, outbox)
    await advance.lock([workflow])
    if advance.state(workflow) is None:
        raise NotFound(f"There is no workflow {workflow}. It may have been deleted after its retention.")
    try:
        yield advance
        await advance.settle()
    finally:
        if outbox is not None:  # a rollback forgets them
            outbox.post(session, [*advance.envelopes, Notice(WAKE, "workflow"), Notice(CONTROL, "workflow")])


def _require(advance: Advance, workflow: uuid.UUID, done: str, *states: str) -> None:
    state = advance.state(workflow)
    if state not in states:
        raise Conflict(f"Workflow {workflow} is {state}. Only one that is {' or '.join(states)} can be {done}.")


async def _step(connection: asyncpg.Connection, workflow: uuid.UUID, name: str) -> asyncpg.Record:
    found = await connection.fetchrow(workflow_steps.STEP, workflow, name)
    if found is None:
        raise NotFound(f"Workflow {workflow} has no step {name!r}. `callboard workflows show {workflow}` lists them.")
    return found


def _note(
    session: AsyncSession, who: str, action: str, workflow: uuid.UUID, reason: str, **details: Any
) -> None:  # fmt: skip
    audit.note(session, who, f"workflow.{action}", target=str(workflow), reason=reason or None, details=details or None)


def _check_text(what: str, text: str | None) -> None:
    if text is not None:
        payload.check(text, what)
        if not 0 < len(text) <= 500:
            raise BadRequest(f"{what} must have between 1 and 500 characters.")


def _check_items(plan: Plan) -> None:
    for step in plan.steps:
        if step.kind == "map" and isinstance(step.items, Sequence):
            for index, item in enumerate(step.items):
                payload.check(item, f"{step.name}: items[{index}]")


async def _write(session: AsyncSession, connection: asyncpg.Connection, workflow: uuid.UUID, plan: Plan) -> None:
    """The rows of the steps, their edges and their items."""
    steps, ids = plan.steps, [step.id for step in plan.steps]

    def column(value: Callable[[PlannedStep], Any]) -> list[Any]:
        return [value(step) for step in steps]

    await connection.execute(
        workflow_steps.INSERT_STEPS, workflow, ids,
        column(lambda step: step.number), column(lambda step: step.name), column(lambda step: step.kind),
        column(lambda step: step.state), column(lambda step: step.join), column(lambda step: step.on_failure),
        column(lambda step: payload.encode(step.calls)), column(lambda step: payload.encode(step.args)),
        column(lambda step: payload.encode(step.kwargs)), column(lambda step: step.takes_result),
        column(lambda step: step.spreads), column(lambda step: None if step.undoes is None else ids[step.undoes]),
        column(lambda step: len(step.after)), column(lambda _: uuid7()), column(lambda step: step.total),
        column(lambda step: step.max_parallel), column(lambda step: step.event), column(lambda step: step.seconds),
        column(lambda step: step.until),
    )  # fmt: skip
    edges = [(ids[one], step.id, place) for step in steps for place, one in enumerate(step.after)]
    if edges:
        await connection.execute(workflow_steps.INSERT_EDGES, *map(list, zip(*edges, strict=True)))
    for step in steps:
        if isinstance(step.items, Select):
            await _write_query(session, connection, step, step.items)
        elif step.items:
            chunks = range(0, len(step.items), CHUNK)
            texts = [payload.encode(list(step.items[start : start + CHUNK])) for start in chunks]
            await connection.execute(workflow_steps.INSERT_ITEMS, step.id, list(range(len(texts))), texts)


async def _write_query(
    session: AsyncSession, connection: asyncpg.Connection, step: PlannedStep, query: Select[Any]
) -> None:
    """Keep the rows of a query as a step's items, a chunk at a time."""
    total, chunk = 0, 0
    result = await session.stream(query, execution_options={"yield_per": CHUNK})
    async for rows in result.partitions(CHUNK):
        items = [row[0] if len(row) == 1 else dict(row._mapping) for row in rows]  # noqa: SLF001 (its public name)
        for index, item in enumerate(items, total):
            payload.check(item, f"{step.name}: row {index} of its query")
        await connection.execute(workflow_steps.INSERT_ITEMS, step.id, [chunk], [payload.encode(items)])
        total, chunk = total + len(items), chunk + 1
    await connection.execute(workflow_steps.SET_TOTAL, step.id, total)
