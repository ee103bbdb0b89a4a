"""/settings/keys: programs' keys. A key itself is on the page that answers its making, and on no other."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from db.models import ApiKey
from errors import BadArguments, Conflict
from services import keys
from services.callers import SCOPES
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.names import Name
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

# What each scope is for, in the words of docs/accounts.md.
MEANINGS = {
    "read": "looks at the jobs that this key made",
    "enqueue": "makes jobs; cancels, pauses and retries those that it made",
    "operate": "both, for everybody's jobs, and queues, schedules, workflows, deliveries",
    "admin": "everything, accounts too",
    "metrics": "/metrics and /health/scheduler only",
}
GRACES = {"0": "at once", "3600": "after an hour", "86400": "after a day", "604800": "after a week"}


@router.get("/settings/keys")
async def page(request: Request, session: Transaction) -> Response:
    return await _page(request, session)


@router.post("/settings/keys")
async def create(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    name: Annotated[str, Form()] = "",
    scope: Annotated[list[str] | None, Form()] = None,
    queues: Annotated[str, Form()] = "",
    actors: Annotated[str, Form()] = "",
    networks: Annotated[str, Form()] = "",
    days: Annotated[str, Form()] = "",
) -> Response:
    """A new key, shown this once; or the form again with what is wrong."""
    caller.require("admin")
    typed = {
        "name": name, "queues": queues, "actors": actors, "networks": networks, "days": days, "scopes": scope or [],
    }  # fmt: skip
    try:
        async with session.begin_nested():
            made = await keys.create(
                session, caller.name, name.strip(), scope or [], queues=_names(queues), actors=_names(actors),
                only_from=_networks(networks), lives=_life(days),
            )  # fmt: skip
    except BadArguments as error:
        return await _page(request, session, typed, {_field(error.path): str(error)})
    except Conflict as error:
        return await _page(request, session, typed, {"name": str(error)})
    return _shown(request, made.row, made.key)


@router.get("/settings/keys/{name}")
async def one(request: Request, session: Transaction, name: Name) -> Response:
    return render(
        request, "settings/key.html", key=await keys.get(session, name), secret=None, graces=GRACES, now=_now()
    )


@router.post("/settings/keys/{name}/rotate")
async def rotate(
    request: Request, session: Transaction, caller: CurrentCaller, name: Name, grace: Annotated[str, Form()] = "0"
) -> Response:
    """The same key with another secret, shown this once."""
    caller.require("admin")
    seconds = float(grace) if grace in GRACES else 0.0
    try:
        async with session.begin_nested():
            made = await keys.rotate(session, caller.name, name, timedelta(seconds=seconds))
    except Conflict as error:
        return flash.redirect("/settings/keys", str(error), bad=True)
    return _shown(request, made.row, made.key)


@router.post("/settings/keys/{name}/revoke")
async def revoke(session: Transaction, caller: CurrentCaller, name: Name) -> Response:
    caller.require("admin")
    await keys.revoke(session, caller.name, name)
    return flash.redirect("/settings/keys", f"The key {name} opens nothing any more.")


async def _page(
    request: Request,
    session: Transaction,
    typed: Mapping[str, object] | None = None,
    wrong: dict[str, str] | None = None,
) -> Response:
    return render(
        request, "settings/keys.html", status=422 if wrong else 200, keys=await keys.listed(session),
        typed=typed or {}, wrong=wrong or {}, scopes={scope: MEANINGS[scope] for scope in SCOPES}, now=_now(),
    )  # fmt: skip


def _shown(request: Request, key: ApiKey, secret: str | None = None) -> Response:
    return render(
        request, "settings/key.html", status=201 if secret else 200, key=key, secret=secret, graces=GRACES, now=_now()
    )


def _names(text: str) -> list[str] | None:
    """None of an empty field: all."""
    return [name.strip() for name in text.split(",") if name.strip()] if text.strip() else None


def _networks(text: str) -> list[str]:
    """None of an empty field: from anywhere. A lone comma is no empty field, but two networks that are none."""
    return [network.strip() for network in text.split(",")] if text.strip() else []


def _field(path: str) -> str:
    """The field of the form: `networks[1]` is in `networks`."""
    return path.partition("[")[0].replace("expires_in", "days")


def _life(days: str) -> timedelta | None:
    """Raises BadArguments."""
    if not days.strip():
        return None
    if not days.strip().isdecimal() or len(days.strip()) > 5:
        raise BadArguments("Write a number of days, or leave it empty: it lives until it is revoked.", "days")
    return timedelta(days=int(days))


def _now() -> datetime:
    return datetime.now(UTC)
