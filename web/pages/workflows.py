"""/workflows: which there are, how far they have come; /workflows/ID: one of them, as a graph, in time, as a table."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Workflow
from errors import BadArguments, BadRequest, Conflict, NotFound
from services import jobs as job_services
from services import workflow_views as views
from services import workflows
from services.masking import masking
from services.workflow_views import STATES, Place, State
from web.api import cursor
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.rendering import render, wanted
from web.pages.workflow_drawing import HEIGHT, WIDTH, critical_path, draw
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

SIZE = 50
MANY = 200  # steps: more are shown as a table first, so many at a time
MOST_DRAWN = 500  # steps: a graph of more is nothing to look at
_JOBS = 100
_BESIDE = 10  # jobs of a step, beside the graph
Tab = Literal["graph", "timeline", "steps"]
Verb = Literal["retry", "pause", "resume", "cancel", "rerun", "skip", "event"]
_OF_STEP = ("rerun", "skip", "event")
# The states in which a workflow can be told to.
ALLOWED: dict[str, tuple[str, ...]] = {
    "retry": ("failed", "cancelled"), "pause": ("running",), "resume": ("paused",), "cancel": ("running", "paused"),
    "rerun": ("succeeded", "failed", "cancelled"), "skip": ("running", "paused", "failed", "cancelled"),
    "event": ("running", "paused"),
}  # fmt: skip
_DONE = {
    "retry": "It goes on from what had failed.", "pause": "It is paused: no step begins until it is resumed.",
    "resume": "It goes on.", "cancel": "It is being cancelled.", "rerun": "These steps are done again.",
    "skip": "The step counts as done.", "event": "It has been told.",
}  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """A step in time: from when it could have begun, when it ran; of 1000, from the workflow's start to its end."""

    step: Any
    wait: tuple[float, float]
    run: tuple[float, float]
    waited: float  # seconds
    ran: float


@router.get("/workflows")
async def page(
    request: Request,
    session: Transaction,
    state: Annotated[State | Literal[""], Query()] = "",
    name: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    found = await views.recent(
        session, SIZE + 1, before=cursor.decode(before) if before else None, state=state or None, name=name or None
    )
    shown = found[:SIZE]
    ids = [workflow.id for workflow in shown]
    asked = {"state": state, "name": name}
    older = asked | {"before": cursor.encode(shown[-1].created_at, shown[-1].id)} if len(found) > SIZE else None
    return render(
        request, "workflows.html", workflows=shown, progress=await views.progress(session, ids),
        current=await views.current(session, ids), state=state, states=STATES, name=name, is_first=before is None,
        address=f"/workflows?{urlencode(asked | ({'before': before} if before else {}))}",
        next=f"/workflows?{urlencode(older)}" if older else None, now=datetime.now(UTC),
    )  # fmt: skip


@router.get("/workflows/{workflow_id}")
async def one(
    request: Request,
    session: Transaction,
    workflow_id: uuid.UUID,
    tab: Annotated[Tab | None, Query()] = None,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    step: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """`step` is the one that the panel beside the graph shows."""
    workflow = await views.get(session, workflow_id)
    places = await views.graph(session, workflow_id)
    if wanted(request) == "panel":
        return render(request, "workflows/panel.html", **await _panel(session, workflow, places, step))
    tab = tab or ("graph" if len(places) <= MANY else "steps")
    now = datetime.now(UTC)
    critical = critical_path(places, workflow.finished_at or now)
    beside = await _panel(session, workflow, places, step) if step and wanted(request) is None else {}
    in_order = _begun(places) if tab == "timeline" else places
    some = slice((page - 1) * MANY, page * MANY)
    rows: Sequence[Any] = in_order[some]
    if tab == "timeline":
        rows = _bars(workflow, places, rows)
    return render(
        request, "workflows/workflow.html", workflow=workflow, tab=tab, allowed=_allowed(workflow),
        progress=(await views.progress(session, [workflow_id]))[workflow_id], now=now, critical=critical,
        drawing=draw(places, critical) if tab == "graph" and len(places) <= MOST_DRAWN else None, box=(WIDTH, HEIGHT),
        beside=beside,
        rows=rows, first=some.start + 1, last=some.start + len(rows), number=len(in_order), page=page,
        jobs=await views.job_ids(session, workflow_id) if tab == "steps" else {},
    )  # fmt: skip


@router.get("/workflows/{workflow_id}/step")
async def step(
    request: Request,
    session: Transaction,
    workflow_id: uuid.UUID,
    name: Annotated[str, Query(max_length=500)],
    after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
) -> Response:
    """One step: what became of it, its jobs, and what can be done to it."""
    workflow = await views.get(session, workflow_id)
    place = _named(await views.graph(session, workflow_id), name)
    jobs = await views.jobs(session, workflow_id, name, _JOBS + 1, after)
    return render(
        request, "workflows/step.html", workflow=workflow, place=place, step=place.step, jobs=jobs[:_JOBS],
        has_more=len(jobs) > _JOBS, allowed=_allowed(workflow), now=datetime.now(UTC),
        result=masking().value(await views.result(session, place.step.id)),
    )  # fmt: skip


async def _panel(session: AsyncSession, workflow: Workflow, places: Sequence[Place], name: str) -> dict[str, Any]:
    """What is to be seen of a step beside the graph: its first jobs, and of one that is a job what its attempts did."""
    place = _named(places, name)
    found = await views.jobs(session, workflow.id, name, _BESIDE)
    return {
        "workflow": workflow,
        "place": place,
        "step": place.step,
        "jobs": found,
        "attempts": await job_services.attempts(session, found[0]["id"]) if len(found) == 1 else [],
        "allowed": _allowed(workflow),
        "result": masking().value(await views.result(session, place.step.id)),
        "now": datetime.now(UTC),
    }


@router.get("/workflows/{workflow_id}/{verb}")
async def ask(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    workflow_id: uuid.UUID,
    verb: Verb,
    step: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Say which steps it is about, and ask."""
    caller.require("operate")
    return await _question(request, session, workflow_id, verb, step, {})


@router.post("/workflows/{workflow_id}/{verb}")
async def act(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    workflow_id: uuid.UUID,
    verb: Verb,
    step: Annotated[str, Form(max_length=500)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    value: Annotated[str, Form(max_length=300_000)] = "",
    compensate: Annotated[bool, Form()] = False,
) -> Response:
    caller.require("operate")
    try:
        async with session.begin_nested():
            await _act(session, workflow_id, verb, step, caller.name, reason, value, compensate=compensate)
    except Conflict as error:
        return flash.redirect(f"/workflows/{workflow_id}", str(error), bad=True)
    except BadRequest as error:
        typed = {"reason": reason, "value": value, "wrong": str(error)}
        return await _question(request, session, workflow_id, verb, step, typed)
    return flash.redirect(f"/workflows/{workflow_id}", _DONE[verb])


async def _act(
    session: AsyncSession, workflow_id: uuid.UUID, verb: Verb, step: str, who: str, reason: str, value: str, *,
    compensate: bool,
) -> None:  # fmt: skip
    if verb == "cancel":
        await workflows.cancel(session, workflow_id, who=who, reason=reason, compensate=compensate)
    elif verb == "rerun":
        await workflows.rerun(session, workflow_id, step, who=who, reason=reason)
    elif verb == "skip":
        await workflows.skip(session, workflow_id, step, who=who, reason=reason, result=_json(value))
    elif verb == "event":
        place = _named(await views.graph(session, workflow_id), step)
        await workflows.signal(session, workflow_id, place.step.event or "", _json(value), who=who)
    else:
        plain = {"retry": workflows.retry, "pause": workflows.pause, "resume": workflows.resume}[verb]
        await plain(session, workflow_id, who=who, reason=reason)


async def _question(
    request: Request, session: AsyncSession, workflow_id: uuid.UUID, verb: Verb, step: str, typed: dict[str, str]
) -> Response:
    workflow = await views.get(session, workflow_id)
    if workflow.state not in ALLOWED[verb]:
        return flash.redirect(f"/workflows/{workflow_id}", f"It is {workflow.state}: that cannot be done.", bad=True)
    places = await views.graph(session, workflow_id)
    place = _named(places, step) if verb in _OF_STEP else None
    return render(
        request, "workflows/ask.html", status=422 if typed.get("wrong") else 200, workflow=workflow, verb=verb,
        step=step, place=place, steps=affected(places, verb, step), typed=typed,
        can_compensate=any(one.step.undoes for one in places),
    )  # fmt: skip


def affected(places: Sequence[Place], verb: str, step: str = "") -> list[Place]:
    """The steps that this would do something to."""
    forward = [place for place in places if place.step.undoes is None]
    if verb in ("skip", "event"):
        return [place for place in forward if place.step.name == step]
    again = [place for place in forward if place.step.state in ("failed", "cancelled")]
    if verb == "retry":
        return again
    if verb == "rerun":
        names = {step}
        for place in forward:  # what comes after something stands behind it
            if names.intersection(place.after):
                names.add(place.step.name)
        return [place for place in forward if place.step.name in names or place in again]
    return [place for place in forward if place.step.state in ("waiting", "running")]


def _named(places: Sequence[Place], name: str) -> Place:
    found = next((place for place in places if place.step.name == name), None)
    if found is None:
        raise NotFound(f"This workflow has no step {name!r}.")
    return found


def _allowed(workflow: Workflow) -> set[str]:
    return {verb for verb, states in ALLOWED.items() if workflow.state in states}


def _begun(places: Sequence[Place]) -> list[Place]:
    """Those that have, in the order in which they did."""
    begun = ((place.step.started_at, place.step.number, place) for place in places if place.step.started_at is not None)
    return [place for _, _, place in sorted(begun)]


def _bars(workflow: Workflow, places: Sequence[Place], begun: Sequence[Place]) -> list[Bar]:
    """Of those that have begun; each waited from when the last step before it had ended."""
    end = workflow.finished_at or datetime.now(UTC)
    length = max((end - workflow.created_at).total_seconds(), 0.001)
    ends = {place.step.name: place.step.finished_at for place in places}

    def at(moment: datetime) -> float:
        return min(1000.0, max(0.0, (moment - workflow.created_at).total_seconds() * 1000 / length))

    bars = []
    for place in begun:
        began = place.step.started_at or end
        ready = max((moment for name in place.after if (moment := ends.get(name))), default=workflow.created_at)
        ready, over = min(ready, began), place.step.finished_at or end
        run = at(began), max(3.0, at(over) - at(began))
        wait = at(ready), max(0.0, at(began) - at(ready))
        bars.append(Bar(place.step, wait, run, (began - ready).total_seconds(), (over - began).total_seconds()))
    return bars


def _json(text: str) -> Any:
    """Raises BadArguments."""
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadArguments(f"This is not JSON: {error}.", "value") from None
