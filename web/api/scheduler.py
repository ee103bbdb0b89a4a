"""/api/v1/scheduler: schedules, what they can run, what became of their runs, and how the scheduler does."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from db.models import ScheduledJob, ScheduledJobVersion
from runtime.triggers import Mark
from services import schedules
from services.masking import masking
from services.schedules import ScheduleSpec
from services.schedules.spec import Moment, Text
from web import edits
from web.api.documents import Lasting, Masked, Why
from web.api.etag import IfMatch, etag, require_match
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/scheduler", tags=["scheduler"], route_class=StrictRoute)

_FAR = 10_000  # pages
ExecutionStatus = Literal[
    "waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled", "unknown", "skipped", "shadow"
]


class Document(BaseModel):
    """What leaves is named, and nothing else leaves."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class JobTypeDocument(Document):
    """A kind of trigger, and JSON Schema of its `schedule_config`."""

    name: str
    description: str
    config_schema: dict[str, Any]
    example: dict[str, Any]


class TaskFunctionDocument(Document):
    """An actor, and JSON Schema of its arguments."""

    name: str
    module: str
    queue: str
    priority: int
    description: str
    signature: dict[str, Any]
    defaults: dict[str, Any]
    periodic: str | None = Field(description="Its cron expression, if periodiq triggers it.")
    registered_at: datetime
    missing_since: datetime | None = Field(description="Set where no worker has it any more.")


class ScheduleDocument(ScheduleSpec):
    """A schedule as it stands."""

    model_config = ConfigDict(from_attributes=True, extra="forbid", strict=False)

    id: UUID
    kind: Literal["table", "code"] = Field(description="code: declared with its actor, triggered by periodiq.")
    managed_by: Literal["person", "code"] = Field(description="code: kept as scheduling/defaults.py declares it.")
    version: int
    runs: int = Field(description="Runs made since its times were last changed.")
    last_run_at: datetime | None
    next_run_at: datetime | None
    problem: Masked[str | None] = Field(description="Why it cannot be run as it is.")
    off_until: datetime | None = Field(
        description="Set while it is enabled, but off for a while: it makes no run before, and then goes on by itself."
    )
    off_by: str | None = Field(description="Who has turned it off, for a while or with no end.")
    off_reason: Masked[str | None]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class SchedulePage(Document):
    """Schedules, by name."""

    jobs: list[ScheduleDocument]
    page: int
    per_page: int


class ScheduleFilter(BaseModel):
    """Which schedules."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=_FAR)
    per_page: int = Field(50, ge=1, le=200)
    enabled: bool | None = None
    task_function: Text | None = None
    kind: Literal["table", "code"] | None = None


class ExecutionDocument(Document):
    """A planned or asked-for run."""

    id: UUID
    schedule_id: UUID
    schedule: str
    planned_at: datetime
    planned_until: datetime | None = Field(description="The last one, where it stands for several not made.")
    times: int = Field(description="How many planned times it stands for.")
    status: ExecutionStatus
    job_id: UUID | None
    triggered_by: str = Field(description="schedule, periodiq, or who asked for it.")
    reason: Masked[str | None] = Field(description="Why no job was made.")
    recorded_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: Masked[Any]
    error: Masked[dict[str, Any] | None]


class ExecutionPage(Document):
    """Executions, the latest planned time first."""

    executions: list[ExecutionDocument]
    page: int
    per_page: int


class ExecutionFilter(BaseModel):
    """Which executions."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=_FAR)
    per_page: int = Field(50, ge=1, le=200)
    job_id: UUID | None = Field(None, description="The schedule's id.")
    status: ExecutionStatus | None = None


class VersionDocument(Document):
    """What a schedule was from then on, and who made it so."""

    version: int
    change: str
    document: dict[str, Any]
    changed_at: datetime
    changed_by: str


class NextRun(Document):
    """A schedule that is due soon."""

    id: UUID
    name: str
    next_run_at: datetime


class StatusDocument(Document):
    """How the scheduler does."""

    running: bool
    leader: UUID | None = Field(description="The scheduling process that leads.")
    term: int | None
    since: datetime | None
    lag: float = Field(description="Seconds by which the schedule that is due longest is late.")
    schedules: int
    enabled: int
    problems: int = Field(description="Schedules that cannot be run as they are.")
    next_runs: list[NextRun]


class BackfillRequest(BaseModel):
    """Which runs are to be made up for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: Moment
    end: Moment = Field(description="Not later than now.")
    apart: float = Field(0, ge=0, le=86_400, description="Seconds by which each starts later than the one before.")
    reason: Text | None = None
    dry_run: bool = Field(False, description="Make nothing, say what would be made.")


class BackfillDocument(Document):
    """Planned times."""

    planned: list[datetime] = Field(description="All that are in the span.")
    missing: list[datetime] = Field(description="Those of them that were made now, or would be.")


class TurnOff(Why, Lasting):
    """Why a schedule is to make no run, and for how long: without a time, until it is enabled again."""


class PreviewRequest(BaseModel):
    """When would it run?"""

    model_config = ConfigDict(extra="forbid", strict=True)

    job_type: Text
    schedule_config: dict[str, Any]
    time_zone: Text = "UTC"
    start_at: Moment | None = None
    number: int = Field(10, ge=1, le=20)


class PlannedRunDocument(Document):
    """A run to come."""

    at: datetime = Field(description="In UTC.")
    local: datetime = Field(description="The same moment, with the offset of the zone.")
    mark: Mark | None = Field(
        description="jump: as the clock jumps forward; twice: the clock shows this time twice; changed: another offset."
    )


class PreviewDocument(Document):
    runs: list[PlannedRunDocument]


@router.get("/job-types")
async def job_types(session: Transaction) -> list[JobTypeDocument]:
    """The kinds of triggers."""
    return [JobTypeDocument.model_validate(kind) for kind in await schedules.job_types(session)]


@router.get("/task-functions")
async def task_functions(session: Transaction) -> list[TaskFunctionDocument]:
    """The actors that workers and schedulers have registered."""
    return [TaskFunctionDocument.model_validate(function) for function in await schedules.task_functions(session)]


@router.get("/status")
async def status(session: Transaction) -> StatusDocument:
    """Who leads, what comes next, and whether anything is late."""
    return StatusDocument.model_validate(await schedules.status(session))


@router.get("/executions")
async def executions(only: Annotated[ExecutionFilter, Query()], session: Transaction) -> ExecutionPage:
    """The history of all schedules, both kinds."""
    found = await schedules.executions(
        session, schedule_id=only.job_id, status=only.status, page=only.page, per_page=only.per_page
    )
    listed = [ExecutionDocument.model_validate(execution) for execution in found]
    return ExecutionPage(executions=listed, page=only.page, per_page=only.per_page)


@router.post("/preview", responses=described(415))
async def preview(wanted: PreviewRequest, session: Transaction) -> PreviewDocument:
    """When a configuration would run, with what clock changes do to it."""
    runs = await schedules.preview(
        session, wanted.job_type, wanted.schedule_config, wanted.time_zone, wanted.number, start_at=wanted.start_at
    )
    return PreviewDocument(runs=[PlannedRunDocument.model_validate(run) for run in runs])


@router.get("/jobs")
async def listed(only: Annotated[ScheduleFilter, Query()], session: Transaction) -> SchedulePage:
    """The schedules, both kinds."""
    found = await schedules.listed(
        session, page=only.page, per_page=only.per_page, enabled=only.enabled, task_function=only.task_function,
        kind=only.kind,
    )  # fmt: skip
    return SchedulePage(jobs=[_document(schedule) for schedule in found], page=only.page, per_page=only.per_page)


@router.post("/jobs", status_code=201, responses=described(409, 415))
async def create(
    spec: ScheduleSpec, session: Transaction, caller: CurrentCaller, request: Request, response: Response
) -> ScheduleDocument:
    """A new schedule. It takes effect within a second."""
    spec = spec.model_copy(update={"task_args": edits.of_schedule(spec.task_args, spec.task_function)})
    schedule = await schedules.create(session, spec, who=caller.name)
    response.headers["Location"] = request.url_for("one_schedule", schedule_id=str(schedule.id)).path
    return _document(schedule)


@router.get("/jobs/{schedule_id}", name="one_schedule", responses=described(404))
async def one(schedule_id: UUID, session: Transaction, response: Response) -> ScheduleDocument:
    schedule = await schedules.get(session, schedule_id)
    response.headers["ETag"] = etag(schedule)
    return _document(schedule)


@router.put("/jobs/{schedule_id}", responses=described(404, 409, 412, 415))
async def replace(
    schedule_id: UUID,
    spec: ScheduleSpec,
    session: Transaction,
    caller: CurrentCaller,
    version: Annotated[int | None, Query(ge=1, lt=2**31, description="Refuse if it is at another by now.")] = None,
    if_match: IfMatch = None,
) -> ScheduleDocument:
    """Set every field: those left out to their defaults. What is masked, as it was shown, stays as it is."""
    before = await schedules.get(session, schedule_id)
    await require_match(session, before, if_match)
    spec = spec.model_copy(update={"task_args": edits.of_schedule(spec.task_args, spec.task_function, before)})
    return _document(await schedules.replace(session, schedule_id, spec, who=caller.name, version=version))


@router.patch("/jobs/{schedule_id}", responses=described(404, 409, 412, 415))
async def edit(
    schedule_id: UUID,
    changes: Annotated[dict[str, Any], Body(description="Fields of a schedule, and what they shall be.")],
    session: Transaction,
    caller: CurrentCaller,
    version: Annotated[int | None, Query(ge=1, lt=2**31, description="Refuse if it is at another by now.")] = None,
    if_match: IfMatch = None,
) -> ScheduleDocument:
    """Change some fields. What is masked, as it was shown, stays as it is."""
    before = await schedules.get(session, schedule_id)
    await require_match(session, before, if_match)
    if "task_args" in changes:
        actor = changes.get("task_function", before.task_function)
        changes = changes | {"task_args": edits.of_schedule(changes["task_args"], actor, before)}
    return _document(await schedules.edit(session, schedule_id, changes, who=caller.name, version=version))


@router.delete("/jobs/{schedule_id}", status_code=204, responses=described(404, 409, 412))
async def delete(schedule_id: UUID, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None) -> None:
    """Its history and versions stay."""
    await require_match(session, await schedules.get(session, schedule_id), if_match)
    await schedules.delete(session, schedule_id, who=caller.name)


@router.post("/jobs/{schedule_id}/trigger", status_code=201, responses=described(404))
async def trigger(schedule_id: UUID, session: Transaction, caller: CurrentCaller) -> ExecutionDocument:
    """Run it now, whatever its times say."""
    execution = await schedules.trigger(session, schedule_id, who=caller.name)
    (found,) = await schedules.executions(session, execution_id=execution.id)
    return ExecutionDocument.model_validate(found)


@router.post("/jobs/{schedule_id}/backfill", responses=described(404, 409, 415))
async def backfill(
    schedule_id: UUID, wanted: BackfillRequest, session: Transaction, caller: CurrentCaller
) -> BackfillDocument:
    """Make the runs of a span that is past, of which nothing was made; or say which those are."""
    if wanted.dry_run:
        found = await schedules.plan_backfill(session, schedule_id, wanted.start, wanted.end)
    else:
        found = await schedules.backfill(
            session, schedule_id, wanted.start, wanted.end, who=caller.name, reason=wanted.reason,
            apart=timedelta(seconds=wanted.apart),
        )  # fmt: skip
    return BackfillDocument.model_validate(found)


@router.post("/jobs/{schedule_id}/enable", responses=described(404, 409, 412, 415))
async def enable(
    schedule_id: UUID,
    session: Transaction,
    caller: CurrentCaller,
    why: Why | None = None,
    if_match: IfMatch = None,
) -> ScheduleDocument:
    """It goes on with its next time, also if it is off for a while; what was planned meanwhile was not missed."""
    await require_match(session, await schedules.get(session, schedule_id), if_match)
    reason = why.reason if why else None
    return _document(await schedules.set_enabled(session, schedule_id, enabled=True, who=caller.name, reason=reason))


@router.post("/jobs/{schedule_id}/disable", responses=described(404, 409, 412, 415))
async def disable(
    schedule_id: UUID,
    session: Transaction,
    caller: CurrentCaller,
    wanted: TurnOff | None = None,
    if_match: IfMatch = None,
) -> ScheduleDocument:
    """It makes no run until it is enabled again; or, staying `enabled`, before `off_until`. Jobs that it has made go
    on."""
    await require_match(session, await schedules.get(session, schedule_id), if_match)
    wanted = wanted or TurnOff()
    return _document(
        await schedules.turn_off(session, schedule_id, who=caller.name, reason=wanted.reason, span=wanted.span())
    )


@router.get("/jobs/{schedule_id}/versions")
async def versions(schedule_id: UUID, session: Transaction) -> list[VersionDocument]:
    """What it has been and who made it so, latest first; also of a schedule that was deleted."""
    return [_version(version) for version in await schedules.versions(session, schedule_id)]


def _document(schedule: ScheduledJob) -> ScheduleDocument:
    shown = masking().task_args(schedule.task_function, schedule.task_args)
    return ScheduleDocument.model_validate(schedule).model_copy(update={"task_args": shown})


def _version(version: ScheduledJobVersion) -> VersionDocument:
    document = VersionDocument.model_validate(version)
    shown = masking().task_args(document.document["task_function"], document.document["task_args"])
    return document.model_copy(update={"document": document.document | {"task_args": shown}})
