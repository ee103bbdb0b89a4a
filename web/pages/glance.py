"""/jobs/ID/glance: what the list of jobs shows under a row that is unfolded."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job
from services import jobs, logs, progress, search
from services.logs import Line
from services.progress import Progress
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

MOST = 20  # rows that may be unfolded at once


@dataclass(frozen=True)
class Glance:
    """A row's job in a few words."""

    job: Job
    state: search.State
    progress: Progress | None
    line: Line | None  # the last that it has logged


@router.get("/jobs/{job_id}/glance")
async def page(
    request: Request, session: Transaction, job_id: uuid.UUID, columns: Annotated[int, Query(ge=1, le=50)] = 9
) -> Response:
    """A row of so many columns, to be put under the job's."""
    job = await jobs.get(session, job_id)
    (glance,) = (await of(session, [job])).values()
    return render(request, "jobs/glance.html", glance=glance, width=columns)


async def of(session: AsyncSession, unfolded: Sequence[Job]) -> dict[uuid.UUID, Glance]:
    """Those of these jobs, by their ids."""
    if not unfolded:
        return {}
    ids = [job.id for job in unfolded]
    told, lines = await progress.of_jobs(session, ids), await logs.last(session, ids)
    return {job.id: Glance(job, search.shown_state(job), told.get(job.id), lines.get(job.id)) for job in unfolded}
