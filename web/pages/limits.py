"""/actors/NAME/limit: a limit of an actor, set otherwise than its code declares it."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from errors import BadArguments, Conflict, NotFound
from runtime.limited import MOST
from services import limits
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.names import Name
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

Key = Annotated[str, Query(max_length=500)]
KeyTyped = Annotated[str, Form(max_length=500)]


@router.get("/actors/{name}/limit")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, name: Name, key: Key = "") -> Response:
    """What is to hold, and why."""
    caller.require("operate")
    found = await limits.get(session, _of(name, key))
    typed = {"concurrency": str(found.concurrency or ""), "rate_limit": found.rate_limit or "", "reason": ""}
    return _form(request, name, found, typed)


@router.post("/actors/{name}/limit")
async def set_(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    name: Name,
    key: KeyTyped = "",
    concurrency: Annotated[str, Form(max_length=20)] = "",
    rate_limit: Annotated[str, Form(max_length=20)] = "",
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    caller.require("operate")
    found = await limits.get(session, _of(name, key))
    typed = {"concurrency": concurrency.strip(), "rate_limit": rate_limit.strip(), "reason": reason}
    try:
        await limits.set_(
            session, found.key, who=caller.name, reason=reason, concurrency=_number(typed["concurrency"]),
            rate=typed["rate_limit"] or None,
        )  # fmt: skip
    except BadArguments as error:
        return _form(request, name, found, typed, error)
    except Conflict as error:
        return flash.redirect(f"/actors/{name}", str(error), bad=True)
    return flash.redirect(f"/actors/{name}", "It holds from now on. What runs goes on.")


@router.post("/actors/{name}/limit/reset")
async def reset(
    session: Transaction,
    caller: CurrentCaller,
    name: Name,
    key: KeyTyped = "",
    reason: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    caller.require("operate")
    try:
        await limits.reset(session, _of(name, key), who=caller.name, reason=reason.strip() or None)
    except Conflict as error:
        return flash.redirect(f"/actors/{name}", str(error), bad=True)
    return flash.redirect(f"/actors/{name}", "It is as the code declares it again.")


def _form(
    request: Request, name: str, limit: limits.LimitInUse, typed: dict[str, str], error: BadArguments | None = None
) -> Response:
    shown = {"concurrency": limit.concurrency is not None, "rate_limit": limit.rate is not None}
    field = next((name for name, is_shown in shown.items() if is_shown and error and error.path == name), "reason")
    return render(
        request, "actors/limit.html", status=422 if error else 200, name=name, limit=limit, typed=typed, most=MOST,
        counted=limits.COUNTED, wrong={field: str(error)} if error else {},
    )  # fmt: skip


def _number(text: str) -> int | None:
    """Raises BadArguments."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise BadArguments(f"{text!r} is no number.", "concurrency")
    return int(text)


def _of(actor: str, key: str) -> str:
    if key and key != actor and not key.startswith(f"{actor}:"):
        raise NotFound(f"The actor {actor!r} has no key {key!r}.")
    return key or actor
