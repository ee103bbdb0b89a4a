"""/api/v1/jobs: enqueue, find, look, and act on one."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from db.models import Job
from errors import NotFound
from services import control, jobs, search, submissions
from services.submissions import Receipt, Submission
from web import edits
from web.api import cursor
from web.api.documents import (
    AttemptDocument,
    Attempts,
    Copy,
    EnqueuedDocument,
    EnqueuedJob,
    EnqueuedJobs,
    JobCount,
    JobDetail,
    JobDocument,
    JobFilter,
    JobPage,
    Move,
    NewArguments,
    NewJob,
    NewJobs,
    Retry,
    Why,
    detail,
)
from web.api.etag import IfMatch, etag, require_match
from web.api.mine import narrowed, visible
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A word of your own for this request, good for a day: sent again, nothing is enqueued twice.",
    ),
]
Enqueued = EnqueuedDocument | EnqueuedJob
ACTED = described(404, 409, 412, 415)


@router.post("", status_code=201, responses={200: {"model": Enqueued}, **described(409, 415)})
async def enqueue(
    new: NewJob,
    session: Transaction,
    caller: CurrentCaller,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Enqueued:
    """Enqueue a job. 200 and `created: false` when a job of yours with this unique key lives already; 409 when it is
    another's. Sent again with its Idempotency-Key, of a job that was deleted meanwhile there is the id only."""
    receipt = await submissions.submit(session, caller, [_submission(new, caller.name)], key=idempotency_key)
    (enqueued,) = receipt.jobs
    response.status_code = 201 if enqueued.created else 200
    response.headers["Location"] = request.url_for("one", job_id=str(enqueued.id)).path
    _mark(response, receipt)
    try:
        job = await visible(session, caller, enqueued.id)
    except NotFound:
        if not receipt.is_replay:
            raise
        return EnqueuedJob(id=enqueued.id, created=enqueued.created)
    return EnqueuedDocument(**JobDocument.of(job).model_dump(), created=enqueued.created)


@router.post("/bulk", status_code=201, responses=described(409, 415))
async def enqueue_many(
    new: NewJobs,
    session: Transaction,
    caller: CurrentCaller,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> EnqueuedJobs:
    """Enqueue many jobs: all, or none."""
    wanted = [_submission(one, caller.name) for one in new.jobs]
    receipt = await submissions.submit(session, caller, wanted, key=idempotency_key, many=True)
    _mark(response, receipt)
    return EnqueuedJobs(jobs=[EnqueuedJob(id=job.id, created=job.created) for job in receipt.jobs])


@router.get("")
async def listed(only: Annotated[JobFilter, Query()], session: Transaction, caller: CurrentCaller) -> JobPage:
    """The newest jobs that fit, a page at a time."""
    return await page_of(session, only, caller)


@router.get("/count")
async def count(only: Annotated[search.Filter, Query()], session: Transaction, caller: CurrentCaller) -> JobCount:
    """How many jobs fit, counted up to 10,000."""
    seen = narrowed(only, caller)
    if seen is None:
        return JobCount(jobs=0, is_exact=True)
    found = await search.count(session, seen)
    return JobCount(jobs=found.jobs, is_exact=found.is_exact)


@router.get("/{job_id}/attempts", responses=described(404))
async def attempts(
    job_id: UUID,
    session: Transaction,
    caller: CurrentCaller,
    limit: Annotated[int, Query(ge=1, le=jobs.ATTEMPTS, description="Attempts on a page.")] = jobs.ATTEMPTS,
    before: Annotated[int | None, Query(ge=1, lt=2**31, description="The `next` of the page before.")] = None,
) -> Attempts:
    """Its failed attempts, with their tracebacks: the latest, a page at a time."""
    await visible(session, caller, job_id)
    found = await jobs.attempts(session, job_id, before=before, most=limit)
    return Attempts(
        attempts=[AttemptDocument.of(one) for one in found], next=found[0].attempt if len(found) == limit else None
    )


@router.post("/{job_id}/pause", responses=ACTED)
async def pause(
    job_id: UUID, session: Transaction, caller: CurrentCaller, why: Why | None = None, if_match: IfMatch = None
) -> JobDocument:
    """Stop it half-way, to be resumed: at once, or at its next checkpoint if it runs."""
    return await _act(control.pause, job_id, session, caller, why, if_match)


@router.post("/{job_id}/resume", responses=ACTED)
async def resume(
    job_id: UUID, session: Transaction, caller: CurrentCaller, why: Why | None = None, if_match: IfMatch = None
) -> JobDocument:
    """Queue a paused job again, from its checkpoint."""
    return await _act(control.resume, job_id, session, caller, why, if_match)


@router.post("/{job_id}/cancel", responses=ACTED)
async def cancel(
    job_id: UUID, session: Transaction, caller: CurrentCaller, why: Why | None = None, if_match: IfMatch = None
) -> JobDocument:
    """End it for good: at once, or by an interrupt if it runs."""
    return await _act(control.cancel, job_id, session, caller, why, if_match)


@router.delete("/{job_id}", responses=ACTED)
async def delete(job_id: UUID, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None) -> JobDocument:
    """The same as `cancel`."""
    return await _act(control.cancel, job_id, session, caller, None, if_match)


@router.post("/{job_id}/run-now", responses=ACTED)
async def run_now(
    job_id: UUID, session: Transaction, caller: CurrentCaller, why: Why | None = None, if_match: IfMatch = None
) -> JobDocument:
    """Make a job due that is queued for later."""
    return await _act(control.run_now, job_id, session, caller, why, if_match)


@router.post("/{job_id}/move", responses=ACTED)
async def move(
    job_id: UUID, session: Transaction, caller: CurrentCaller, where: Move, if_match: IfMatch = None
) -> JobDocument:
    """Put a job that has not been started into another queue, or give it another priority."""
    await require_match(session, await visible(session, caller, job_id), if_match)
    moved = await control.move(session, job_id, where.place(caller), who=caller.name, reason=where.reason)
    return JobDocument.of(moved)


@router.post("/{job_id}/retry", responses=ACTED)
async def retry(
    job_id: UUID, session: Transaction, caller: CurrentCaller, how: Retry | None = None, if_match: IfMatch = None
) -> JobDocument:
    """Queue a failed or cancelled job again under its id, with the same arguments or others."""
    how = how or Retry()
    before = await visible(session, caller, job_id)
    await require_match(session, before, if_match)
    job = await control.retry(
        session,
        job_id,
        who=caller.name,
        reason=how.reason,
        arguments=_arguments(before, how.arguments),
        from_start=how.from_start,
    )
    return JobDocument.of(job)


@router.post("/{job_id}/copy", status_code=201, responses=described(404, 415))
async def copy(job_id: UUID, session: Transaction, caller: CurrentCaller, how: Copy | None = None) -> EnqueuedDocument:
    """Enqueue a new job like this one, with the same arguments or others."""
    how = how or Copy()
    before = await visible(session, caller, job_id)
    made = await control.copy(
        session, job_id, who=caller.name, reason=how.reason, arguments=_arguments(before, how.arguments)
    )
    job = await jobs.get(session, made.id)
    return EnqueuedDocument(**JobDocument.of(job).model_dump(), created=made.created)


async def page_of(session: Transaction, only: JobFilter, caller: CurrentCaller) -> JobPage:
    """A page of the jobs that this caller sees."""
    before = None if only.before is None else cursor.decode(only.before)
    fields = only.model_dump(exclude={"limit", "before"})
    seen = narrowed(search.Filter.model_construct(**fields), caller)
    if seen is None:
        return JobPage(jobs=[], next=None, searched_back_to=None)
    found = await search.page(session, seen, limit=only.limit, before=before)
    return JobPage(
        jobs=[JobDocument.of(job) for job in found.jobs],
        next=None if found.next is None else cursor.encode(*found.next),
        searched_back_to=found.searched_back_to,
    )


async def shown(session: Transaction, job: Job, response: Response) -> JobDetail:
    """Everything of a job."""
    response.headers["ETag"] = etag(job)
    return detail(job, await jobs.attempts(session, job.id), await submissions.metadata(session, job.id))


async def _act(
    verb: Callable[..., Awaitable[Job]],
    job_id: UUID,
    session: Transaction,
    caller: CurrentCaller,
    why: Why | None,
    if_match: str | None,
) -> JobDocument:
    await require_match(session, await visible(session, caller, job_id), if_match)
    return JobDocument.of(await verb(session, job_id, who=caller.name, reason=why and why.reason))


def _submission(new: NewJob, owner: str) -> Submission:
    return Submission(new.actor, new.args, new.kwargs, new.options(owner), new.metadata)


def _arguments(job: Job, new: NewArguments | None) -> control.Arguments | None:
    return None if new is None else edits.of_job(job, new.args, new.kwargs)


def _mark(response: Response, receipt: Receipt) -> None:
    if receipt.is_replay:
        response.headers["Idempotency-Replayed"] = "true"
