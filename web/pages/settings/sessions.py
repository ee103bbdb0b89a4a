"""/settings/sessions: who is signed in where."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from errors import NotFound
from services import sessions
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.login import inside
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)


@router.get("/settings/sessions")
async def page(request: Request, session: Transaction, caller: CurrentCaller) -> Response:
    mine = sessions.id_of(caller.session_token) if caller.session_token else ""
    return render(
        request, "settings/sessions.html", sessions=await sessions.listed(session), mine=mine, most=sessions.MOST
    )


@router.post("/settings/sessions/end")
async def end(
    session: Transaction,
    caller: CurrentCaller,
    session_id: Annotated[str, Form(alias="session")] = "",
    to: Annotated[str, Form()] = "/settings/sessions",
) -> Response:
    caller.require("admin")
    try:
        name = await sessions.end(session, caller.name, session_id)
    except NotFound as error:
        return flash.redirect(inside(to), str(error), bad=True)
    return flash.redirect(inside(to), f"{name} is signed out there.")
