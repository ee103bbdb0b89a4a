"""/api/v1/dead-letters: jobs that have failed for good, to be looked at, run again, or thrown away."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from errors import Conflict
from services import control
from web.api.documents import JobDocument, JobFilter, JobPage, Retry
from web.api.etag import IfMatch, require_match
from web.api.jobs import ACTED, page_of
from web.api.jobs import retry as retry_job
from web.api.mine import visible
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/dead-letters", tags=["dead letters"], route_class=StrictRoute)


@router.get("")
async def listed(only: Annotated[JobFilter, Query()], session: Transaction, caller: CurrentCaller) -> JobPage:
    """Those that failed last, whatever `state` says."""
    return await page_of(session, only.model_copy(update={"state": "failed"}), caller)


@router.post("/{job_id}/retry", responses=ACTED)
async def retry(
    job_id: UUID, session: Transaction, caller: CurrentCaller, how: Retry | None = None, if_match: IfMatch = None
) -> JobDocument:
    """Queue it again, with the same arguments or others."""
    return await retry_job(job_id, session, caller, how, if_match)


@router.delete("/{job_id}", status_code=204, responses=described(404, 409, 412))
async def delete(job_id: UUID, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None) -> Response:
    """Remove it for good, with its attempts and logs."""
    job = await visible(session, caller, job_id)
    await require_match(session, job, if_match)
    if job.state != "failed":
        raise Conflict(f"Job {job_id} is {job.state}: it is no dead letter.")
    await control.delete(session, job_id, who=caller.name)
    return Response(status_code=204)
