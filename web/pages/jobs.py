"""/jobs: which jobs there are, searched, a page at a time, and what can be done to many of them."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from runtime.client import Client
from services import export, listing, progress, search, views
from web.api import cursor
from web.caller import CurrentCaller
from web.pages import between, glance
from web.pages.query import parse
from web.pages.rendering import render, wanted
from web.route import TimedRoute
from web.shared import Shared
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

STATES = ("running", "queued", "scheduled", "retrying", "waiting", "paused", "succeeded", "failed", "cancelled")
COLUMNS = {
    "arguments": "Arguments", "queue": "Queue", "attempt": "Attempt", "wait": "Waited", "ran": "Ran", "when": "When",
    "priority": "Priority", "owner": "Owner", "tags": "Tags", "error": "Error", "worker": "Worker",
    "workflow": "Workflow", "id": "Id",
}  # fmt: skip
DEFAULT_COLUMNS = ("arguments", "queue", "attempt", "wait", "ran", "when")
SIZES = (50, 100, 200)

_counts: Shared[listing.Counts] = Shared(seconds=3)


@router.get("/jobs")
async def page(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    q: Annotated[str, Query(max_length=1_000)] = "",
    before: Annotated[str | None, Query(max_length=200)] = None,
    size: Annotated[int, Query(ge=10, le=200)] = SIZES[0],
    have: Annotated[str, Query(max_length=33 * SIZES[-1], pattern=r"^[0-9a-f.]*$")] = "",
    top: Annotated[str | None, Query(max_length=200)] = None,
    unfolded: Annotated[str, Query(max_length=33 * glance.MOST, pattern=r"^[0-9a-f.]*$")] = "",
) -> Response:
    """`have` are jobs that the page has already: it was not full when the time for looking was over, and goes on. `top`
    is the newest place that it knows, while somebody reads it: nothing newer is put above it, it is only counted. Rows
    that are `unfolded` stay so."""
    query = parse(q.strip()).for_caller(caller)
    if query.job_id is not None:
        return RedirectResponse(f"/jobs/{query.job_id}", 303)
    kept, opened = _ids(have), set(_ids(unfolded))
    known = cursor.decode(top) if top else None
    start = cursor.decode(before) if before else known and _and_it(known)
    found = await search.page(session, query.filter, limit=max(1, size - len(kept)), before=start)
    jobs = [*await listing.in_order(session, kept), *found.jobs]
    ids = [job.id for job in jobs]
    following = cursor.encode(*found.next) if found.next else None
    columns = _columns(request)
    values: dict[str, Any] = {
        "query": query,
        "jobs": jobs,
        "searched_back_to": found.searched_back_to,
        "shown_state": search.shown_state,
        "arguments": await listing.summaries(session, ids) if "arguments" in columns else {},
        "progress": await progress.of_jobs(session, [job.id for job in jobs if job.state == "running"]),
        "glances": await glance.of(session, [job for job in jobs if job.id in opened]),
        "columns": columns,
        "all_columns": COLUMNS,
        "size": size,
        "sizes": SIZES,
        "address": _address(q, size),
        "itself": _address(q, size, before),
        "next": _address(q, size, following) if following else None,
        "further": _address(q, size, following, ids) if found.searched_back_to else None,
        "goes_on": bool(kept),
        "is_first": before is None,
        "top": top or cursor.encode(*await search.first_of(session, query.filter, [] if before else jobs)),
        "newer": await search.newer(session, query.filter, known) if known else None,
        "before": before,
        "cap": listing.CAP,
        "states": STATES,
        "ended": listing.ENDED,
    }
    if wanted(request) in (None, "states"):
        client: Client = request.app.state.client
        values["counts"] = await _counts.get("states", lambda: _count(client))
    if wanted(request) is None:
        values["views"] = await views.listed(session, caller.user_id) if caller.user_id else []
        values["most_exported"] = export.MOST
        values |= {"range": between.of(query), "times": between.NAMES, "presets": between.PRESETS}
    return render(request, "jobs.html", **values)


def _ids(text: str) -> list[uuid.UUID]:
    return [uuid.UUID(one) for one in text.split(".") if len(one) == 32]


def _and_it(place: search.Position) -> search.Position:
    """Before this comes the job at that place too."""
    return search.Position(place.at, uuid.UUID(int=min(place.id.int + 1, 2**128 - 1)))


async def _count(client: Client) -> listing.Counts:
    async with client.session() as session:
        return await listing.counts(session)


def _columns(request: Request) -> tuple[str, ...]:
    """Those that this browser wants to see."""
    chosen = request.cookies.get("columns", "").split(".")
    return tuple(name for name in COLUMNS if name in chosen) or DEFAULT_COLUMNS


def _address(q: str, size: int, before: str | None = None, have: Sequence[uuid.UUID] = ()) -> str:
    values = {
        "q": q, "size": "" if size == SIZES[0] else str(size), "before": before or "",
        "have": ".".join(one.hex for one in have),
    }  # fmt: skip
    text = urlencode({name: value for name, value in values.items() if value})
    return f"/jobs?{text}" if text else "/jobs"
