"""/jobs/views: a person's saved views of the job list."""

import uuid
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from errors import BadArguments, Conflict, Forbidden, NotFound
from services import views
from services.callers import Caller
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HERE = "/jobs/views"


@router.get("/jobs/views")
async def page(request: Request, session: Transaction, caller: CurrentCaller) -> Response:
    """To rename and delete them."""
    return await _page(request, session, caller)


@router.post("/jobs/views")
async def save(
    session: Transaction, caller: CurrentCaller, name: Annotated[str, Form()] = "", q: Annotated[str, Form()] = ""
) -> Response:
    """Keep a search under a name."""
    here = f"/jobs?{urlencode({'q': q[:1_000]})}" if q else "/jobs"
    try:
        await views.save(session, _person(caller), name, q.strip())
    except (BadArguments, Conflict) as error:
        return flash.redirect(here, str(error), bad=True)
    return flash.redirect(here, f"It is saved as {name.strip()}.")


@router.post("/jobs/views/rename")
async def rename(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    view: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
) -> Response:
    try:
        await views.rename(session, _person(caller), view.replace("\0", ""), name)
    except (BadArguments, Conflict, NotFound) as error:
        return await _page(request, session, caller, (view, name, str(error)))
    return flash.redirect(HERE, f"{view} is {name.strip()} now.")


@router.post("/jobs/views/delete")
async def delete(session: Transaction, caller: CurrentCaller, view: Annotated[str, Form()] = "") -> Response:
    try:
        await views.delete(session, _person(caller), view.replace("\0", ""))
    except NotFound as error:
        return flash.redirect(HERE, str(error), bad=True)
    return flash.redirect(HERE, f"The view {view} is deleted.")


async def _page(
    request: Request, session: Transaction, caller: Caller, wrong: tuple[str, str, str] | None = None
) -> Response:
    """`wrong`: of which view, what was typed, and what is wrong with it."""
    return render(
        request, "jobs/views.html", status=422 if wrong else 200, wrong=wrong,
        views=await views.listed(session, _person(caller)),
    )  # fmt: skip


def _person(caller: Caller) -> uuid.UUID:
    if caller.user_id is None:
        raise Forbidden("Views are people's own: sign in as one. A key has none.")
    return caller.user_id
