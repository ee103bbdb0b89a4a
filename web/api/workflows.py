"""/api/v1/workflows: list, look, act, and tell one that something has happened."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from db.models import Workflow
from services import workflow_views as views
from services import workflows
from services.workflow_views import State
from web.api import cursor
from web.api.documents import Masked, Text
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/workflows", tags=["workflows"], route_class=StrictRoute)

StepState = Literal["held", "waiting", "running", "succeeded", "failed", "cancelled", "skipped"]
Kind = Literal["job", "group", "map", "sleep", "event", "join"]


class WorkflowFilter(BaseModel):
    """Which workflows to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Workflows on a page.")
    before: str | None = Field(None, max_length=200, description="The `next` of the page before.")
    state: State | None = None
    name: Text | None = None
    owner: Text | None = None


class ProgressDocument(BaseModel):
    """How far it has come."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    steps: int
    ended: int
    failed: int
    items: int = Field(description="Of its groups and maps, as far as is known.")
    items_ended: int


class WorkflowDocument(BaseModel):
    """A workflow, without its steps."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    name: str
    owner: str | None
    parent_id: UUID | None = Field(description="The job that started it.")
    state: State
    created_at: datetime
    finished_at: datetime | None
    deadline: datetime | None
    error: Masked[dict[str, Any] | None] = Field(description="Why it stopped: type, message, step.")
    progress: ProgressDocument


class WorkflowPage(BaseModel):
    """Workflows, newest first."""

    workflows: list[WorkflowDocument]
    next: str | None = Field(description="Send it as `before` to get the page after this one; null on the last.")


class StepDocument(BaseModel):
    """A step, and where it stands in a drawing of the graph: layers from left to right."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Kind
    state: StepState
    layer: int
    row: int
    after: list[str] = Field(description="Names of the steps it comes after, in the order of their results.")
    join: str
    on_failure: str
    undoes: str | None = Field(description="Name of the step that it compensates.")
    job_id: UUID | None = Field(description="Of a step that is one job.")
    total: int | None = Field(description="Jobs that there are to be; null until it is known.")
    ended: int
    failed: int
    event: str | None
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Masked[Any]
    error: Masked[dict[str, Any] | None]


class WorkflowDetail(WorkflowDocument):
    """Everything of one workflow."""

    steps: list[StepDocument]


class StepJobDocument(BaseModel):
    """A job of a step."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    item: int
    state: str
    attempt: int
    error: Masked[dict[str, Any] | None]
    started_at: datetime | None
    finished_at: datetime | None


class Act(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Annotated[str, Field(max_length=500)] = ""


class Cancel(Act):
    compensate: bool = Field(False, description="Undo what was done, the last first.")


class Rerun(Act):
    step: Text | None = Field(None, description="The step's name; none: all of it.")


class Skip(Act):
    step: Text = Field(description="The step's name.")
    result: Any = Field(None, description="What its successors are given instead of its result.")


class Event(BaseModel):
    """What was said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    payload: Any = None


@router.get("")
async def recent(only: Annotated[WorkflowFilter, Query()], session: Transaction) -> WorkflowPage:
    """The newest workflows, a page at a time."""
    before = None if only.before is None else cursor.decode(only.before)
    page = await views.recent(
        session, only.limit, before=before, state=only.state, name=only.name, owner=only.owner
    )  # fmt: skip
    progress = await views.progress(session, [workflow.id for workflow in page])
    more = cursor.encode(page[-1].created_at, page[-1].id) if len(page) == only.limit else None
    return WorkflowPage(workflows=[_document(workflow, progress[workflow.id]) for workflow in page], next=more)


@router.get("/{workflow_id}", responses=described(404))
async def one(workflow_id: UUID, session: Transaction) -> WorkflowDetail:
    """One workflow, with its steps and what they come after."""
    return await _detail(session, workflow_id)


@router.get("/{workflow_id}/steps/{step}/jobs", responses=described(404))
async def step_jobs(
    workflow_id: UUID,
    step: str,
    session: Transaction,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1, description="The `item` of the last one before.")] = -1,
) -> list[StepJobDocument]:
    """The jobs of a step, in the order of its items."""
    return [StepJobDocument(**job) for job in await views.jobs(session, workflow_id, step, limit, after)]


@router.post("/{workflow_id}/cancel", responses=described(404, 409, 415))
async def cancel(workflow_id: UUID, body: Cancel, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Begin nothing more, cancel what runs."""
    await workflows.cancel(
        session, workflow_id, who=caller.name, reason=body.reason, compensate=body.compensate
    )  # fmt: skip
    return await _detail(session, workflow_id)


@router.post("/{workflow_id}/pause", responses=described(404, 409, 415))
async def pause(workflow_id: UUID, body: Act, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Begin nothing more until it is resumed."""
    return await _act(workflows.pause, session, workflow_id, caller, body)


@router.post("/{workflow_id}/resume", responses=described(404, 409, 415))
async def resume(workflow_id: UUID, body: Act, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Go on where it was paused."""
    return await _act(workflows.resume, session, workflow_id, caller, body)


@router.post("/{workflow_id}/retry", responses=described(404, 409, 415))
async def retry(workflow_id: UUID, body: Act, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Go on from what failed or was cancelled."""
    return await _act(workflows.retry, session, workflow_id, caller, body)


@router.post("/{workflow_id}/rerun", responses=described(404, 409, 415))
async def rerun(workflow_id: UUID, body: Rerun, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Do a step again, and all that comes after it; without a step all of it."""
    await workflows.rerun(session, workflow_id, body.step, who=caller.name, reason=body.reason)
    return await _detail(session, workflow_id)


@router.post("/{workflow_id}/skip", responses=described(404, 409, 415))
async def skip(workflow_id: UUID, body: Skip, session: Transaction, caller: CurrentCaller) -> WorkflowDetail:
    """Count a step as done."""
    await workflows.skip(
        session, workflow_id, body.step, who=caller.name, reason=body.reason, result=body.result
    )  # fmt: skip
    return await _detail(session, workflow_id)


@router.post("/{workflow_id}/events/{name}", responses=described(404, 409, 415))
async def event(
    workflow_id: UUID, name: str, body: Event, session: Transaction, caller: CurrentCaller
) -> WorkflowDetail:  # fmt: skip
    """Something has happened that it waits for, or will."""
    await workflows.signal(session, workflow_id, name, body.payload, who=caller.name)
    return await _detail(session, workflow_id)


async def _act(
    verb: Callable[..., Awaitable[None]], session: Transaction, workflow_id: UUID, caller: CurrentCaller, body: Act
) -> WorkflowDetail:
    await verb(session, workflow_id, who=caller.name, reason=body.reason)
    return await _detail(session, workflow_id)


async def _detail(session: Transaction, workflow_id: UUID) -> WorkflowDetail:
    workflow = await views.get(session, workflow_id)
    await session.refresh(workflow)
    progress = (await views.progress(session, [workflow_id]))[workflow_id]
    places = await views.graph(session, workflow_id)
    outcomes = await views.outcomes(session, workflow_id)
    names = {place.step.id: place.step.name for place in places}
    steps = [_step(place, names, outcomes.get(place.step.id, views.Outcome())) for place in places]
    return WorkflowDetail(**_document(workflow, progress).model_dump(), steps=steps)


_AS_THEY_ARE = (
    "name", "kind", "state", "on_failure", "total", "ended", "failed", "event", "due_at", "started_at", "finished_at",
    "error",
)  # fmt: skip


def _step(place: views.Place, names: dict[UUID, str], outcome: views.Outcome) -> StepDocument:
    return StepDocument(
        layer=place.layer,
        row=place.row,
        after=list(place.after),
        join=place.step.join_policy,
        undoes=names.get(place.step.undoes) if place.step.undoes else None,
        **outcome._asdict(),
        **{name: getattr(place.step, name) for name in _AS_THEY_ARE},
    )


def _document(workflow: Workflow, progress: views.Progress) -> WorkflowDocument:
    names = ("id", "name", "owner", "parent_id", "state", "created_at", "finished_at", "deadline", "error")
    return WorkflowDocument(
        **{name: getattr(workflow, name) for name in names}, progress=ProgressDocument.model_validate(progress)
    )
