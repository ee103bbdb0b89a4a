"""The jobs that have to do with one, and the worker that has it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db import related
from db.models import Job

FEW = 6


@dataclass(frozen=True)
class Neighbour:
    """Another job; of a schedule also a run without one."""

    id: UUID | None
    actor: str | None  # None: there is no such job, or not any more
    state: str
    at: datetime  # when it was made, or planned


@dataclass(frozen=True)
class Related:
    """A few of each kind."""

    siblings: list[Neighbour]  # made by the same job
    of_step: list[Neighbour]  # beside it in its step of a workflow
    of_key: list[Neighbour]  # with its unique key, living
    runs: list[Neighbour]  # of its schedule, before and after it

    @property
    def is_empty(self) -> bool:
        return not (self.siblings or self.of_step or self.of_key or self.runs)


@dataclass(frozen=True)
class Host:
    """Where a worker that lives is, and which Callboard it runs."""

    host: str
    pid: int
    version: str
    started_at: datetime


async def of(session: AsyncSession, job: Job) -> Related:
    async def few(statement: str, *values: object) -> list[Neighbour]:
        connection = await session.connection()
        rows = await connection.exec_driver_sql(statement, values)
        return [Neighbour(None if row.id is None else UUID(str(row.id)), row.actor, row.state, row.at) for row in rows]

    return Related(
        siblings=await few(related.SIBLINGS, job.parent_id, job.id, FEW) if job.parent_id else [],
        of_step=await few(related.OF_STEP, job.workflow_id, job.step_run, job.item, FEW // 2) if job.step_run else [],
        of_key=await few(related.OF_KEY, job.unique_key, job.id) if job.unique_key else [],
        runs=await few(related.RUNS, job.id, FEW // 2),
    )


async def host_of(session: AsyncSession, worker: UUID) -> Host | None:
    """None where that worker has gone."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(related.WORKER, (worker,))).first()
    return None if row is None else Host(**row._asdict())
