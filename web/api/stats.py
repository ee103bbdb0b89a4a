"""/api/v1/stats: what is going on, and what ended of late."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services import overview, statistics
from web.api.route import StrictRoute
from web.transaction import Transaction

router = APIRouter(prefix="/stats", tags=["stats"], route_class=StrictRoute)


class Now(BaseModel):
    """Jobs that have not ended, and who runs them."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    running: int
    waiting: int
    scheduled: int
    held: int
    oldest: datetime | None
    oldest_queue: str | None
    next_run_at: datetime | None
    workers: int
    slots: int
    is_capped: bool = Field(description="There are more jobs than were counted: at least so many.")


class PointDocument(BaseModel):
    """What ended within one minute, hour or (of more than eight days, UTC) day."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    starts_at: datetime
    succeeded: int
    failed: int
    cancelled: int
    retries: int


class ActorDocument(BaseModel):
    """How an actor's jobs went; seconds."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    actor: str
    jobs: int
    failed: int
    retries: int
    ran: float
    waited: float
    run_p50: float | None
    run_p95: float | None
    run_p99: float | None


class Stats(BaseModel):
    """What is going on, and what ended within the hours asked for."""

    now: Now
    throughput: list[PointDocument]
    actors: list[ActorDocument]


@router.get("")
async def stats(
    session: Transaction,
    hours: Annotated[float, Query(gt=0, le=744, description="How far to look back.")] = 1,
) -> Stats:
    """Of each queue the first 10,000 jobs that have not ended are counted. The newest minute is not complete."""
    period = timedelta(hours=hours)
    return Stats(
        now=Now.model_validate(await overview.live(session)),
        throughput=[PointDocument.model_validate(point) for point in await statistics.throughput(session, period)],
        actors=[ActorDocument.model_validate(actor) for actor in await statistics.by_actor(session, period)],
    )
