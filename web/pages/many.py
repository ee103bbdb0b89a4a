"""What is done to many jobs: to those that are selected at once, to all that fit a search by a job of its own.

Both ask first, on a page that names the number.
"""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from errors import BadRequest, Conflict, NotFound
from services import bulk, control, listing, search
from services.bulk import Verb
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.jobs import COLUMNS
from web.pages.login import inside
from web.pages.query import Query as Search
from web.pages.query import parse
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

MOST_SELECTED = 200
GLANCE, PATIENCE = 0.05, 10.0  # seconds that may be counted, or looked for
_SAMPLE = 5
_DONE = {
    Verb.PAUSE: "paused", Verb.RESUME: "resumed", Verb.CANCEL: "cancelled", Verb.RETRY: "queued again",
    Verb.RUN_NOW: "made due", Verb.DELETE: "deleted",
}  # fmt: skip


@router.post("/jobs/columns")
async def columns(to: Annotated[str, Form()], column: Annotated[list[str] | None, Form()] = None) -> Response:
    """Which columns this browser wants to see."""
    response = RedirectResponse(inside(to), 303)
    chosen = ".".join(name for name in COLUMNS if name in (column or []))
    response.set_cookie("columns", chosen, max_age=31_536_000, path="/", samesite="lax")
    return response


@router.post("/jobs/selected")
async def ask_about_selected(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    verb: Annotated[Verb, Form()],
    to: Annotated[str, Form()] = "/jobs",
    job: Annotated[list[uuid.UUID] | None, Form(max_length=MOST_SELECTED)] = None,
) -> Response:
    """Name them, and ask."""
    caller.require("operate")
    ids = job or []
    if not ids:
        return flash.redirect(inside(to), "No job was selected.", bad=True)
    sample = await listing.rows(session, ids[:_SAMPLE])
    return render(
        request, "jobs/many.html", verb=verb, ids=ids, sample=sample, to=inside(to), count=len(ids), query=None
    )


@router.post("/jobs/act")
async def act_on_selected(
    session: Transaction,
    caller: CurrentCaller,
    verb: Annotated[Verb, Form()],
    job: Annotated[list[uuid.UUID], Form(max_length=MOST_SELECTED)],
    to: Annotated[str, Form()] = "/jobs",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Do it to each; those to which it makes no sense are left as they are."""
    caller.require("operate")
    done = 0
    refusals: list[str] = []
    for job_id in job:
        try:
            async with session.begin_nested():
                await control.act(session, verb, job_id, who=caller.name, reason=reason or None)
            done += 1
        except (Conflict, NotFound) as error:
            refusals.append(str(error))
    said = f"{done} of {len(job)} jobs were {_DONE[verb]}."
    return flash.redirect(inside(to), " ".join([said, *refusals[:1]]), bad=not done)


@router.get("/jobs/bulk")
async def ask_about_all(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    q: Annotated[str, Query(max_length=1_000)],
    verb: Verb = Verb.RETRY,
    all_of_them: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    """Count them, show some, and ask. They are counted at a glance, or `all` of them, which takes its time."""
    caller.require("operate")
    wanted = _searched(q)
    count = await bulk.preview(session, wanted.filter, PATIENCE if all_of_them else GLANCE)
    some = await search.page(session, wanted.filter, limit=_SAMPLE, seconds=GLANCE)
    return render(
        request, "jobs/many.html", verb=verb, verbs=list(Verb), ids=[], sample=some.jobs, to="/jobs",
        count=count.jobs, is_exact=count.is_exact, query=wanted,
    )  # fmt: skip


@router.post("/jobs/bulk")
async def act_on_all(
    session: Transaction,
    caller: CurrentCaller,
    q: Annotated[str, Form(max_length=1_000)],
    verb: Annotated[Verb, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
    from_start: Annotated[bool, Form()] = False,
) -> Response:
    """Start the job that does it."""
    caller.require("operate")
    enqueued = await bulk.start(
        session, verb, _searched(q).filter, who=caller.name, reason=reason or None, from_start=from_start
    )
    return flash.redirect(f"/jobs/{enqueued.id}", "This job does it. Watch it here; cancelling it leaves what is done.")


def _searched(q: str) -> Search:
    """Raises BadRequest for a search of which a part would be ignored: it would do more than was asked for."""
    query = parse(q.strip())
    if query.problems or query.job_id is not None:
        raise BadRequest(" ".join([*query.problems, "Search for the jobs first, then act on what is found."]))
    return query
