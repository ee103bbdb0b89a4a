"""Is the process alive, and can it do its work: what load balancers and orchestrators ask."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db.database import UNAVAILABLE, Database
from db.migrate import current_revision, is_newer
from runtime.client import Client
from services import schedules
from web.problem import described

PATIENCE = 2  # seconds for each server

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Check(BaseModel):
    state: Literal["ok", "unavailable", "mismatch"]
    detail: str = ""


class Readiness(BaseModel):
    status: Literal["ready", "not ready"]
    checks: dict[str, Check]


class ScheduledJob(BaseModel):
    id: UUID
    name: str
    next_run_time: datetime | None
    trigger: str


class SchedulerHealth(BaseModel):
    running: bool
    jobs: list[ScheduledJob]


@router.get("/health")
async def health() -> Health:
    """The process is alive. Touches no server: restarting this process would not bring one back."""
    return Health()


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """PostgreSQL answers, its tables are those of this version or a later one, and Redis answers."""
    client: Client = request.app.state.client
    database, migrations, redis = await asyncio.gather(
        _within(_database(client.database), "PostgreSQL does not answer. Start it, or correct DATABASE_URL."),
        _within(_migrations(client.database), "PostgreSQL does not answer, so its migrations are not known."),
        _within(_redis(client), "Redis does not answer. Start it, or correct REDIS_URL."),
    )
    checks = {"database": database, "migrations": migrations, "redis": redis}
    all_ok = all(check.state == "ok" for check in checks.values())
    response.status_code = 200 if all_ok else 503
    return Readiness(status="ready" if all_ok else "not ready", checks=checks)


@router.get(
    "/health/scheduler",
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses={**described(401, 403, 429), 503: {"model": SchedulerHealth, **described(503)[503]}},
)
async def scheduler(request: Request, response: Response) -> SchedulerHealth:
    """A scheduler leads; the schedules that are due next. 503 while none leads: nothing is fired then."""
    client: Client = request.app.state.client
    async with asyncio.timeout(PATIENCE), client.session() as session:
        status = await schedules.status(session)
    response.status_code = 200 if status.running else 503
    jobs = [
        ScheduledJob(id=job.id, name=job.name, next_run_time=job.next_run_at, trigger=schedules.trigger_text(job))
        for job in status.next_runs
    ]
    return SchedulerHealth(running=status.running, jobs=jobs)


async def _within(check: Awaitable[Check], advice: str) -> Check:
    """What the check says, or `unavailable` with the advice: this page is open, so it tells no addresses."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await check
    except (*UNAVAILABLE, SQLAlchemyError, RedisError):
        return Check(state="unavailable", detail=advice)


async def _database(database: Database) -> Check:
    async with database.engine.connect() as connection:
        await connection.execute(text("select 1"))
    return Check(state="ok")


async def _migrations(database: Database) -> Check:
    at, head = await current_revision(database)
    if at != head and not is_newer(at):
        detail = f"The database is at {at}, this version needs {head}. Run `callboard migrate`."
        return Check(state="mismatch", detail=detail)
    return Check(state="ok")


async def _redis(client: Client) -> Check:
    await client.redis.ping()
    return Check(state="ok")
