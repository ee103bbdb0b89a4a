"""What people see of workflows: lists, progress, the graph in layers, and when each step ran."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from db import workflow_steps, workflows
from db.models import Job, Workflow, WorkflowEdge, WorkflowStep
from errors import BadArguments, NotFound

State = Literal[
    "running", "paused", "failing", "cancelling", "compensating", "succeeded", "failed", "cancelled", "compensated",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Progress:
    """How far a workflow has come: steps, and the items of its groups and maps."""

    steps: int = 0
    ended: int = 0
    failed: int = 0
    items: int = 0
    items_ended: int = 0


class Step(NamedTuple):
    """What a graph shows of a step. There may be 2,000 of them: that is why it is no WorkflowStep, and has nothing that
    may be large."""

    id: uuid.UUID
    number: int
    name: str
    kind: str
    state: str
    join_policy: str
    on_failure: str
    undoes: uuid.UUID | None
    total: int | None
    released: int
    ended: int
    failed: int
    event: str | None
    due_at: datetime | None
    error: dict[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Place:
    """A step in the drawing of its workflow: the layer is behind those of all its predecessors."""

    step: Step
    layer: int
    row: int
    after: tuple[str, ...]  # its predecessors' names, in order


async def get(session: AsyncSession, workflow_id: uuid.UUID) -> Workflow:
    """One workflow. Raises NotFound."""
    workflow = await session.get(Workflow, workflow_id)
    if workflow is None:
        raise NotFound(f"There is no workflow {workflow_id}. It may have been deleted after its retention.")
    return workflow


async def recent(
    session: AsyncSession,
    limit: int = 50,
    *,
    before: tuple[datetime, uuid.UUID] | None = None,
    state: str | None = None,
    name: str | None = None,
    owner: str | None = None,
) -> list[Workflow]:
    """The newest workflows; `before` is `created_at` and `id` of the last one of the page before.

    Raises BadArguments for a state that there is not.
    """
    if state is not None and state not in STATES:
        raise BadArguments(f"No workflow is {state!r}. They are {', '.join(STATES)}.", "state")
    statement = select(Workflow).order_by(Workflow.created_at.desc(), Workflow.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(tuple_(Workflow.created_at, Workflow.id) < before)
    for column, value in ((Workflow.state, state), (Workflow.name, name), (Workflow.owner, owner)):
        if value is not None:
            statement = statement.where(column == value)
    return list(await session.scalars(statement))


async def progress(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Progress]:
    """How far each of these has come."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(workflows.PROGRESS, (list(ids),))).mappings()
    found = {uuid.UUID(str(row["workflow_id"])): row for row in rows}
    return {
        one: Progress(**{name: int(value) for name, value in found[one].items() if name != "workflow_id"})
        if one in found
        else Progress()
        for one in ids
    }


async def current(session: AsyncSession, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """The names of up to three steps that run now, of each of these that has any."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(workflow_steps.CURRENT, (list(ids),))).mappings()
    return {uuid.UUID(str(row["workflow_id"])): row["names"] for row in rows}


@dataclass(frozen=True)
class Trigger:
    """What has started a workflow: a schedule, a job, a person or a program."""

    kind: Literal["schedule", "job", "key", "owner", "program"]
    name: str
    path: str = ""  # its page


async def triggers(session: AsyncSession, found: Sequence[Workflow]) -> dict[uuid.UUID, Trigger]:
    """Of each of these workflows; a job that was deleted since is known by its id."""
    connection = await session.connection()
    parents = [one.parent_id for one in found if one.parent_id is not None]
    rows = await connection.exec_driver_sql(workflows.STARTED_BY, (parents,))
    known = {row.id: row for row in rows}
    return {one.id: _trigger(one, known.get(one.parent_id)) for one in found}


def _trigger(workflow: Workflow, parent: Any) -> Trigger:
    if parent is not None and parent.schedule_id is not None:
        return Trigger("schedule", parent.schedule, f"/schedules/{parent.schedule_id}")
    if parent is not None:
        if parent.actor is None:
            return Trigger("job", f"…{str(parent.id)[-8:]}, deleted since")
        by = f" of {parent.owner}" if parent.owner else ""
        return Trigger("job", parent.actor + by, f"/jobs/{parent.id}")
    if workflow.owner is None:
        return Trigger("program", "")
    return Trigger("key" if workflow.owner.startswith("key:") else "owner", workflow.owner.removeprefix("key:"))


async def graph(session: AsyncSession, workflow_id: uuid.UUID) -> list[Place]:
    """Its steps, each with its place in a drawing from left to right, by layer; undos are behind what they undo."""
    columns = (getattr(WorkflowStep, name) for name in Step._fields)
    statement = select(*columns).where(WorkflowStep.workflow_id == workflow_id)
    connection = await session.connection()  # rows of this many are dear through the ORM
    steps = [Step(*row) for row in await connection.execute(statement.order_by(WorkflowStep.number))]
    edges = await connection.execute(
        select(WorkflowEdge.to_id, WorkflowEdge.from_id)
        .join(WorkflowStep, WorkflowStep.id == WorkflowEdge.to_id)
        .where(WorkflowStep.workflow_id == workflow_id)
        .order_by(WorkflowEdge.position)
    )
    before: dict[uuid.UUID, list[uuid.UUID]] = {}
    for step_id, predecessor in edges:
        before.setdefault(step_id, []).append(predecessor)
    names = {step.id: step.name for step in steps}
    layers: dict[uuid.UUID, int] = {}
    rows: dict[int, int] = {}
    places = []
    for step in steps:  # a predecessor's number is lower, so its layer is known
        needed = before.get(step.id, [])
        layer = layers[step.id] = max((layers[one] + 1 for one in needed), default=0)
        rows[layer] = rows.get(layer, -1) + 1
        places.append(Place(step, layer, rows[layer], tuple(names[one] for one in needed)))
    return places


async def result(session: AsyncSession, step_id: uuid.UUID) -> Any:
    """What a step has for its successors; of groups and maps it is on the step's jobs."""
    return await session.scalar(select(WorkflowStep.result).where(WorkflowStep.id == step_id))


# A step that is one job, and that job.
_ITS_JOB = (
    (Job.workflow_id == WorkflowStep.workflow_id) & (Job.step_run == WorkflowStep.run) & (WorkflowStep.kind == "job")
)


async def job_ids(session: AsyncSession, workflow_id: uuid.UUID) -> dict[uuid.UUID, uuid.UUID]:
    """The job of each step that is one job, by the step's id."""
    statement = select(WorkflowStep.id, Job.id).join(Job, _ITS_JOB).where(WorkflowStep.workflow_id == workflow_id)
    connection = await session.connection()
    return dict((await connection.execute(statement)).all())


class Outcome(NamedTuple):
    """The job of a step that is one job, and what a step has for its successors."""

    job_id: uuid.UUID | None = None
    result: Any = None


async def outcomes(session: AsyncSession, workflow_id: uuid.UUID) -> dict[uuid.UUID, Outcome]:
    """Of every step, by the steps' ids."""
    statement = select(WorkflowStep.id, Job.id, WorkflowStep.result).join(Job, _ITS_JOB, isouter=True)
    connection = await session.connection()
    rows = await connection.execute(statement.where(WorkflowStep.workflow_id == workflow_id))
    return {step: Outcome(job, result) for step, job, result in rows}


async def jobs(
    session: AsyncSession, workflow_id: uuid.UUID, step: str, limit: int = 50, after: int = -1
) -> list[dict[str, Any]]:
    """The jobs of a step, in the order of its items, from the one after `after`. Raises NotFound."""
    named = select(WorkflowStep.run).where(WorkflowStep.workflow_id == workflow_id, WorkflowStep.name == step)
    run = await session.scalar(named)
    if run is None:
        raise NotFound(f"Workflow {workflow_id} has no step {step!r}.")
    columns = (Job.id, Job.item, Job.state, Job.attempt, Job.error, Job.started_at, Job.finished_at)
    statement = select(*columns).where(Job.workflow_id == workflow_id, Job.step_run == run, Job.item > after)
    rows = (await session.execute(statement.order_by(Job.item).limit(limit))).mappings()
    return [dict(row) for row in rows]
