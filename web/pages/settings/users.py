"""/settings/users: people, their roles, passwords and sessions."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from errors import BadArguments, Conflict
from services import audit, sessions, users
from services.callers import ROLES
from settings import Settings
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.names import Name
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_DEEDS = 20


@router.get("/settings/users")
async def page(request: Request, session: Transaction) -> Response:
    return await _page(request, session)


@router.post("/settings/users")
async def create(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "viewer",
    password: Annotated[str, Form()] = "",
) -> Response:
    """A new person, or the form again with what is wrong."""
    caller.require("admin")
    settings: Settings = request.app.state.settings
    typed = {"name": name, "role": role}
    if not password and settings.oidc_issuer is None:
        wrong = {"password": "Give one: no identity provider is set that would let the person in."}
        return await _page(request, session, typed, wrong)
    try:
        async with session.begin_nested():
            user = await users.create(session, caller.name, name, role, password or None)
    except BadArguments as error:
        return await _page(request, session, typed, {error.path: str(error)})
    except Conflict as error:
        return await _page(request, session, typed, {"name": str(error)})
    return flash.redirect(f"/settings/users/{user.name}", f"{user.name} may come in now, as {user.role}.")


@router.get("/settings/users/{name}")
async def one(request: Request, session: Transaction, name: Name) -> Response:
    return await _one(request, session, name)


@router.post("/settings/users/{name}/role")
async def set_role(
    request: Request, session: Transaction, caller: CurrentCaller, name: Name, role: Annotated[str, Form()] = ""
) -> Response:
    caller.require("admin")
    try:
        async with session.begin_nested():
            await users.set_role(session, caller.name, name, role)
    except (BadArguments, Conflict) as error:
        return await _one(request, session, name, {"role": str(error)})
    return flash.redirect(f"/settings/users/{name}", f"{name} is {role} from now on.")


@router.post("/settings/users/{name}/password")
async def set_password(
    request: Request, session: Transaction, caller: CurrentCaller, name: Name, password: Annotated[str, Form()] = ""
) -> Response:
    caller.require("admin")
    try:
        async with session.begin_nested():
            await users.set_password(session, caller.name, name, password)
    except BadArguments as error:
        return await _one(request, session, name, {"password": str(error)})
    return flash.redirect(f"/settings/users/{name}", f"{name} has another password, and is signed out everywhere.")


@router.post("/settings/users/{name}/sign-out")
async def sign_out(session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("admin")
    ended = await users.sign_out_everywhere(session, caller.name, name)
    said = f"{ended} session{'s' if ended != 1 else ''} ended."
    return flash.redirect(f"/settings/users/{name}", said)


@router.post("/settings/users/{name}/disable")
async def disable(request: Request, session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("admin")
    try:
        async with session.begin_nested():
            await users.disable(session, caller.name, name)
    except Conflict as error:
        return await _one(request, session, name, {"disable": str(error)})
    return flash.redirect(f"/settings/users/{name}", f"{name} is shut out.")


@router.post("/settings/users/{name}/enable")
async def enable(session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("admin")
    await users.enable(session, caller.name, name)
    return flash.redirect(f"/settings/users/{name}", f"{name} may come in again.")


async def _page(
    request: Request, session: Transaction, typed: dict[str, str] | None = None, wrong: dict[str, str] | None = None
) -> Response:
    settings: Settings = request.app.state.settings
    return render(
        request, "settings/users.html", status=422 if wrong else 200, users=await users.listed(session),
        typed=typed or {}, wrong=wrong or {}, roles=ROLES, oidc=settings.oidc_issuer is not None,
        shortest=users.SHORTEST,
    )  # fmt: skip


async def _one(request: Request, session: Transaction, name: str, wrong: dict[str, str] | None = None) -> Response:
    user = await users.get(session, name)
    return render(
        request, "settings/user.html", status=422 if wrong else 200, user=user, wrong=wrong or {}, roles=ROLES,
        sessions=await sessions.listed(session, user.id), shortest=users.SHORTEST,
        deeds=await audit.page(session, audit.Filter(who=user.name), limit=_DEEDS),
    )  # fmt: skip
