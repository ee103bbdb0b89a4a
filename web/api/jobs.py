"""/api/v1/jobs: enqueue a job, list the newest, look at one."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services import jobs
from web.api import cursor
from web.api.documents import AttemptDocument, EnqueuedDocument, JobDetail, JobDocument, JobFilter, JobPage, NewJob
from web.api.route import StrictRoute
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)


@router.post("", status_code=201, responses={200: {"model": EnqueuedDocument}, **described(413, 415)})
async def enqueue(new: NewJob, session: Transaction, request: Request, response: Response) -> EnqueuedDocument:
    """Enqueue a job. 200 and `created: false` when a job with this unique key lives already."""
    options = jobs.Options(
        queue=new.queue,
        priority=new.priority,
        delay=None if new.delay is None else timedelta(seconds=new.delay),
        run_at=new.run_at,
        max_retries=new.max_retries,
        time_limit=new.time_limit,
        unique_key=new.unique_key,
        tags=new.tags,
    )
    enqueued = await jobs.enqueue_by_name(session, new.actor, new.args, new.kwargs, options)
    job = await jobs.get(session, enqueued.id)
    response.status_code = 201 if enqueued.created else 200
    response.headers["Location"] = request.url_for("one", job_id=str(job.id)).path
    return EnqueuedDocument(**JobDocument.model_validate(job).model_dump(), created=enqueued.created)


@router.get("")
async def recent(only: Annotated[JobFilter, Query()], session: Transaction) -> JobPage:
    """The newest jobs, a page at a time."""
    before = None if only.before is None else cursor.decode(only.before)
    page = await jobs.recent(
        session, limit=only.limit, before=before, state=only.state, actor=only.actor, queue=only.queue
    )
    more = cursor.encode(page[-1].created_at, page[-1].id) if len(page) == only.limit else None
    return JobPage(jobs=[JobDocument.model_validate(job) for job in page], next=more)


@router.get("/{job_id}", responses=described(404))
async def one(job_id: UUID, session: Transaction) -> JobDetail:
    """One job, with its failed attempts."""
    job = await jobs.get(session, job_id)
    return JobDetail(
        **JobDocument.model_validate(job).model_dump(),
        args=job.args,
        kwargs=job.kwargs,
        result=job.result,
        attempts=[AttemptDocument.model_validate(attempt) for attempt in await jobs.attempts(session, job_id)],
    )
