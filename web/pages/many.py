"""What is done to many jobs: to those that are selected at once, to all that fit a search by a job of its own.

Both ask first, on a page that names the number.
"""

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from errors import BadArguments, BadRequest, Conflict, NotFound
from services import bulk, control, listing, queues, search
from services.bulk import AS_IT_IS, Place, Verb
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
    Verb.RUN_NOW: "made due", Verb.MOVE: "moved", Verb.DELETE: "deleted",
}  # fmt: skip


@dataclass(frozen=True)
class Where:
    """Where jobs are to be moved, as it was typed."""

    to_queue: Annotated[str, Form(max_length=500)] = ""
    to_priority: Annotated[str, Form(max_length=20)] = ""

    def place(self, verb: Verb) -> Place:
        """Raises BadArguments, its path naming the field."""
        if verb is not Verb.MOVE:
            return AS_IT_IS
        try:
            place = Place(self.to_queue or None, int(self.to_priority) if self.to_priority.strip() else None)
        except ValueError:
            raise BadArguments(f"{self.to_priority!r} is not a whole number.", "to_priority") from None
        control.check_place(place)
        return place


ToWhere = Annotated[Where, Depends()]
NOWHERE = Where()


@dataclass(frozen=True)
class Typed:
    """What the form had, and why that could not be done."""

    where: Where = NOWHERE
    reason: str = ""
    wrong: BadArguments | None = None


NOTHING = Typed()


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
    if not job:
        return flash.redirect(inside(to), "No job was selected.", bad=True)
    return await _about_selected(request, session, verb, job, inside(to))


@router.post("/jobs/act")
async def act_on_selected(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    verb: Annotated[Verb, Form()],
    job: Annotated[list[uuid.UUID], Form(max_length=MOST_SELECTED)],
    where: ToWhere,
    to: Annotated[str, Form()] = "/jobs",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Do it to each; those to which it makes no sense are left as they are."""
    caller.require("operate")
    try:
        place = where.place(verb)
    except BadArguments as error:
        return await _about_selected(request, session, verb, job, inside(to), Typed(where, reason, error))
    done = 0
    refusals: list[str] = []
    for job_id in job:
        try:
            async with session.begin_nested():
                await control.act(session, verb, job_id, who=caller.name, reason=reason or None, to=place)
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
    return await _about_all(request, session, verb, _searched(q), PATIENCE if all_of_them else GLANCE)


@router.post("/jobs/bulk")
async def act_on_all(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    q: Annotated[str, Form(max_length=1_000)],
    verb: Annotated[Verb, Form()],
    where: ToWhere,
    reason: Annotated[str, Form(max_length=500)] = "",
    from_start: Annotated[bool, Form()] = False,
) -> Response:
    """Start the job that does it."""
    caller.require("operate")
    wanted = _searched(q)
    try:
        place = where.place(verb)
    except BadArguments as error:
        return await _about_all(request, session, verb, wanted, GLANCE, Typed(where, reason, error))
    enqueued = await bulk.start(
        session, verb, wanted.filter, who=caller.name, reason=reason or None, from_start=from_start, to=place
    )
    return flash.redirect(f"/jobs/{enqueued.id}", "This job does it. Watch it here; cancelling it leaves what is done.")


async def _about_selected(
    request: Request, session: Transaction, verb: Verb, ids: list[uuid.UUID], to: str, typed: Typed = NOTHING
) -> Response:
    sample = await listing.rows(session, ids[:_SAMPLE])
    return _question(request, verb, typed, ids=ids, sample=sample, to=to, count=len(ids), query=None)


async def _about_all(
    request: Request, session: Transaction, verb: Verb, wanted: Search, seconds: float, typed: Typed = NOTHING
) -> Response:
    count = await bulk.preview(session, wanted.filter, seconds)
    some = await search.page(session, wanted.filter, limit=_SAMPLE, seconds=GLANCE)
    return _question(
        request, verb, typed, verbs=list(Verb), ids=[], sample=some.jobs, to="/jobs", count=count.jobs,
        is_exact=count.is_exact, query=wanted,
    )  # fmt: skip


def _question(request: Request, verb: Verb, typed: Typed, **values: Any) -> Response:
    wrong = {typed.wrong.path: str(typed.wrong)} if typed.wrong else {}
    return render(
        request, "jobs/many.html", status=422 if wrong else 200, verb=verb, queues=queues.declared(),
        where=typed.where, reason=typed.reason, wrong=wrong, **values,
    )  # fmt: skip


def _searched(q: str) -> Search:
    """Raises BadRequest for a search of which a part would be ignored: it would do more than was asked for."""
    query = parse(q.strip())
    if query.problems or query.job_id is not None:
        raise BadRequest(" ".join([*query.problems, "Search for the jobs first, then act on what is found."]))
    return query
