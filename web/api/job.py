"""/api/v1/jobs/{id}: one job, now or as soon as it has ended."""

import asyncio
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from runtime.client import Client
from web.api.documents import JobDetail
from web.api.jobs import shown
from web.api.mine import visible
from web.api.route import PatientRoute
from web.caller import CurrentCaller
from web.problem import described

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=PatientRoute)

LONGEST = 60  # seconds a caller may wait


@router.get("/{job_id}", responses=described(404))
async def one(
    job_id: UUID,
    request: Request,
    response: Response,
    caller: CurrentCaller,
    wait: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait for its end, at most.")] = 0,
) -> JobDetail:
    """One job, with its arguments, result and failed attempts; answered once it has ended, or when the wait is over."""
    client: Client = request.app.state.client
    if wait:
        async with client.session() as session:
            job = await visible(session, caller, job_id)
        if job.outcome is None:
            # No connection of the pool is held meanwhile.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await client.endings.wait(job_id)
    async with client.session() as session:
        return await shown(session, await visible(session, caller, job_id), response)
