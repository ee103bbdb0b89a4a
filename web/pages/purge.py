"""/queues/NAME/purge: ends what waits in a queue, or deletes what has ended of it; asks for the queue's name."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.search import Filter
from services import bulk, queues, schedules
from services.bulk import Verb
from web.caller import CurrentCaller
from web.pages import flash, many
from web.pages.names import Name
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

What = Literal["waiting", "finished"]
_VERBS: dict[What, Verb] = {"waiting": Verb.CANCEL, "finished": Verb.DELETE}


@router.get("/queues/{name}/purge")
async def ask(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    name: Name,
    what: Annotated[What, Query()] = "waiting",
    all_of_them: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    """Count them at a glance, or `all` of them, which takes its time, and ask for the queue's name."""
    caller.require("operate")
    await queues.get(session, name)
    return await _question(request, session, name, what, all_of_them=all_of_them)


@router.post("/queues/{name}/purge")
async def purge(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    name: Name,
    what: Annotated[What, Form()],
    typed: Annotated[str, Form(max_length=500)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Start the job that does it."""
    caller.require("operate")
    await queues.get(session, name)
    if typed.strip() != name:
        wrong = f"Type the queue's name, {name}: what is purged does not come back."
        return await _question(request, session, name, what, typed=typed, reason=reason, wrong=wrong)
    only = await _filter(session, name, what)
    started = await bulk.start(session, _VERBS[what], only, who=caller.name, reason=reason or None)
    return flash.redirect(f"/jobs/{started.id}", "This job does it. Watch it here; cancelling it leaves what is done.")


async def _question(
    request: Request,
    session: AsyncSession,
    name: str,
    what: What,
    *,
    typed: str = "",
    reason: str = "",
    wrong: str = "",
    all_of_them: bool = False,
) -> Response:
    seconds = many.PATIENCE if all_of_them else many.GLANCE
    count = await bulk.preview(session, await _filter(session, name, what), seconds)
    return render(
        request, "queues/purge.html", status=422 if wrong else 200, name=name, what=what, count=count.jobs,
        is_exact=count.is_exact, typed=typed, reason=reason, wrong=wrong,
    )  # fmt: skip


async def _filter(session: AsyncSession, name: str, what: What) -> Filter:
    if what == "waiting":
        return Filter(queue=name, state="queued")
    return Filter(queue=name, finished_before=await schedules.moment(session))
