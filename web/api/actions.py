"""/api/v1/jobs/actions: a verb over all jobs that a filter finds."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from db.search import Filter
from errors import BadRequest
from runtime.verbs import Verb
from services import bulk, control, jobs
from web.api.documents import Given, JobCount, JobDocument, Move
from web.api.mine import narrowed
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)


class Action(Move):
    """What is to be done, and to which jobs."""

    action: Literal["pause", "resume", "cancel", "retry", "run_now", "move", "delete"]
    filter: Annotated[Filter, Field(strict=False, description="Which jobs; it must say something.")]
    dry_run: bool = Field(False, description="Only count them.")
    from_start: bool = Field(False, description="Of a retry: forget checkpoints and steps' results.")


class Acted(Given):
    """How many jobs are meant, or the job that does it: it is watched, paused and cancelled like any other."""

    matched: JobCount | None
    job: JobDocument | None


@router.post("/actions", status_code=202, responses={200: {"model": Acted}, **described(415)})
async def act(action: Action, session: Transaction, caller: CurrentCaller, response: Response) -> Acted:
    """Do it to all of them: 202 with the job that does it. With `dry_run`, 200 with how many they are."""
    only = narrowed(action.filter, caller)
    if only is None:
        raise BadRequest(f"{caller.name} sees its own jobs only. Leave `owner` out.")
    to = action.place(caller)
    if action.action == "move":
        control.check_place(to)
    if action.dry_run:
        response.status_code = 200
        found = await bulk.preview(session, only)
        return Acted(matched=JobCount(jobs=found.jobs, is_exact=found.is_exact), job=None)
    started = await bulk.start(
        session, Verb(action.action), only, who=caller.name, reason=action.reason, from_start=action.from_start, to=to
    )
    return Acted(matched=None, job=JobDocument.of(await jobs.get(session, started.id)))
