"""/api/v1/queues, /actors and /workers: what is there to run jobs, pausing and draining it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from errors import NotFound
from services import actors, queues, workers
from services.callers import Caller
from web.api.documents import Given, Lasting, Masked, Reason, Why
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(tags=["queues"], route_class=StrictRoute)

Name = Annotated[str, Path(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
ACTED = described(404, 409, 415)


class Pause(Given):
    """Why nothing is to be started."""

    reason: Reason


class PauseUntil(Pause, Lasting):
    """Why nothing is to be started, and for how long: without a time, until it is resumed."""


class QueueDocument(BaseModel):
    """A queue now. Counts of live jobs are exact unless `is_capped`."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    name: str
    due: int
    later: int
    held: int
    running: int
    oldest: float | None
    is_capped: bool
    is_paused: bool
    reason: Masked[str | None]
    paused_by: str | None
    paused_at: datetime | None
    paused_until: datetime | None = Field(description="When it goes on by itself; null: it is to be resumed.")


class Queues(BaseModel):
    """Queues, by name."""

    queues: list[QueueDocument]


class ActorDocument(BaseModel):
    """An actor as it is declared, and whether its jobs are started."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    name: str
    queue: str
    priority: int
    concurrency: int | None
    rate_limit: str | None
    key: str | None
    is_paused: bool
    held: int
    reason: Masked[str | None]
    paused_by: str | None
    paused_at: datetime | None
    paused_until: datetime | None = Field(description="When it goes on by itself; null: it is to be resumed.")


class Actors(BaseModel):
    """Actors, by name."""

    actors: list[ActorDocument]


class WorkerDocument(BaseModel):
    """A worker process that lives."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    id: UUID
    host: str
    pid: int
    queues: list[str]
    async_slots: int
    threads: int
    version: str
    python: str | None
    dramatiq: str | None
    started_at: datetime
    heartbeat_at: datetime
    memory: int | None = Field(description="Bytes that it held at its last heartbeat.")
    cpu: float | None = Field(description="Percent of a core that it used before that; 200 is two cores.")
    running: int
    is_draining: bool
    reason: Masked[str | None]
    drained_by: str | None
    drained_at: datetime | None


class Workers(BaseModel):
    """Workers, by host and pid."""

    workers: list[WorkerDocument]


@router.get("/queues")
async def listed(session: Transaction, caller: CurrentCaller) -> Queues:
    """The queues that this caller's key is for."""
    _require_whole(caller)
    found = [queue for queue in await queues.listed(session) if caller.queues is None or queue.name in caller.queues]
    return Queues(queues=[QueueDocument.model_validate(queue) for queue in found])


@router.get("/queues/{name}", responses=described(404))
async def one(name: Name, session: Transaction, caller: CurrentCaller) -> QueueDocument:
    """One queue."""
    _require(caller, name)
    return QueueDocument.model_validate(await queues.get(session, name))


@router.post("/queues/{name}/pause", responses=ACTED)
async def pause(name: Name, why: PauseUntil, session: Transaction, caller: CurrentCaller) -> QueueDocument:
    """Start nothing from it; what runs goes on."""
    _require(caller, name)
    await queues.pause(session, name, who=caller.name, reason=why.reason, span=why.span())
    return QueueDocument.model_validate(await queues.get(session, name))


@router.post("/queues/{name}/resume", responses=ACTED)
async def resume(name: Name, session: Transaction, caller: CurrentCaller, why: Why | None = None) -> QueueDocument:
    """Start its jobs again."""
    _require(caller, name)
    await queues.resume(session, name, who=caller.name, reason=why.reason if why else None)
    return QueueDocument.model_validate(await queues.get(session, name))


@router.get("/actors")
async def declared(session: Transaction) -> Actors:
    """All declared actors."""
    return Actors(actors=[ActorDocument.model_validate(actor) for actor in await actors.listed(session)])


@router.post("/actors/{name}/pause", status_code=204, responses=ACTED)
async def pause_actor(name: Name, why: PauseUntil, session: Transaction, caller: CurrentCaller) -> None:
    """Start none of its jobs; what runs goes on."""
    await actors.pause(session, name, who=caller.name, reason=why.reason, span=why.span())


@router.post("/actors/{name}/resume", status_code=204, responses=ACTED)
async def resume_actor(name: Name, session: Transaction, caller: CurrentCaller, why: Why | None = None) -> None:
    """Start its jobs again."""
    await actors.resume(session, name, who=caller.name, reason=why.reason if why else None)


@router.get("/workers")
async def living(session: Transaction) -> Workers:
    """The worker processes that live."""
    return Workers(workers=[WorkerDocument.model_validate(worker) for worker in await workers.living(session)])


@router.post("/workers/{worker_id}/drain", responses=ACTED)
async def drain(worker_id: UUID, why: Pause, session: Transaction, caller: CurrentCaller) -> WorkerDocument:
    """Let it take no more jobs and end those that it runs."""
    await workers.drain(session, worker_id, who=caller.name, reason=why.reason)
    return WorkerDocument.model_validate(await workers.get(session, worker_id))


@router.post("/workers/{worker_id}/resume", responses=ACTED)
async def go_on(worker_id: UUID, session: Transaction, caller: CurrentCaller, why: Why | None = None) -> WorkerDocument:
    """Let it take jobs again."""
    await workers.go_on(session, worker_id, who=caller.name, reason=why.reason if why else None)
    return WorkerDocument.model_validate(await workers.get(session, worker_id))


def _require(caller: Caller, queue: str) -> None:
    if caller.queues is not None and queue not in caller.queues:
        raise NotFound(f"There is no queue {queue!r} for {caller.name}.")
    _require_whole(caller)


def _require_whole(caller: Caller) -> None:
    """It is counted, paused and resumed with other actors' jobs in it. Raises Forbidden."""
    if not caller.sees_all or caller.actors is not None:
        caller.require_everything()
