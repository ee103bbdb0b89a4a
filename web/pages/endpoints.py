"""/deliveries/endpoints: who is told of events, how well it reaches them, and all that can be changed about it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from db.models import WebhookEndpoint
from errors import BadArguments, Conflict
from services import audit, webhook, webhook_views
from services.masking import masking
from services.webhook_views import Health
from web.api.etag import etag
from web.caller import CurrentCaller
from web.edits import restored
from web.pages import flash
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HOME = "/deliveries/endpoints"
PAGE = 50
_DELIVERIES = 20
_KEEP_HOURS = 24.0
_FIELDS = ("url", "description", "event_types", "headers", "timeout", "rate", "schedule", "owner_email")


def _typed(
    url: Annotated[str, Form(max_length=2_000)] = "",
    description: Annotated[str, Form(max_length=500)] = "",
    event_type: Annotated[list[str] | None, Form(max_length=200)] = None,
    headers: Annotated[str, Form(max_length=10_000)] = "",
    timeout: Annotated[str, Form(max_length=20)] = "15",
    rate: Annotated[str, Form(max_length=20)] = "",
    schedule: Annotated[str, Form(max_length=320)] = "",
    ordered: Annotated[bool, Form()] = False,
    owner_email: Annotated[str, Form(max_length=320)] = "",
) -> dict[str, Any]:
    """The form as it was filled in."""
    return {
        "url": url.strip(), "description": description, "event_types": event_type or [], "headers": headers,
        "timeout": timeout, "rate": rate, "schedule": schedule, "ordered": ordered, "owner_email": owner_email.strip(),
    }  # fmt: skip


Typed = Annotated[dict[str, Any], Depends(_typed)]


@router.get(HOME)
async def page(request: Request, session: Transaction, before: uuid.UUID | None = None) -> Response:
    found = await webhook.endpoints(session, limit=PAGE, before=before)
    health = await webhook_views.health(session, [one.id for one in found])
    return render(
        request, "endpoints.html", endpoints=found, health=health, before=before,
        next=found[-1].id if len(found) == PAGE else None,
    )  # fmt: skip


@router.get(f"{HOME}/new")
async def new(request: Request, caller: CurrentCaller) -> Response:
    caller.require("operate")
    return _form(request, _typed(), None)


@router.post(HOME)
async def create(
    request: Request, session: Transaction, caller: CurrentCaller, typed: Typed,
    asymmetric: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Make it, and show its secret in this answer and in no other."""
    caller.require("operate")
    try:
        made, secret = await webhook.create_endpoint(session, caller.name, _read(typed), asymmetric=asymmetric)
    except BadArguments as error:
        return _form(request, typed, None, error)
    return render(request, "webhooks/secret.html", endpoint=made, secret=secret, is_new=True)


@router.get(f"{HOME}/{{endpoint_id}}")
async def one(request: Request, session: Transaction, endpoint_id: uuid.UUID) -> Response:
    found = await webhook.endpoint(session, endpoint_id)
    only = webhook.Filter(endpoint_id=endpoint_id)
    deliveries = await webhook.deliveries(session, only, limit=_DELIVERIES)
    health = await webhook_views.health(session, [endpoint_id])
    return render(
        request, "webhooks/endpoint.html", endpoint=found, headers=webhook.header_names(found),
        health=health.get(endpoint_id, Health()), deliveries=deliveries,
        told=await webhook_views.told(session, [delivery.id for delivery in deliveries]), now=datetime.now(UTC),
    )  # fmt: skip


@router.get(f"{HOME}/{{endpoint_id}}/edit")
async def edit(request: Request, session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID) -> Response:
    caller.require("operate")
    found = await webhook.endpoint(session, endpoint_id)
    typed = {
        "url": masking().text(found.url), "description": found.description, "event_types": found.event_types or [],
        "headers": "", "timeout": f"{found.timeout:g}", "rate": "" if found.rate is None else f"{found.rate:g}",
        "schedule": ", ".join(f"{delay:g}" for delay in found.schedule or ()),
        "ordered": found.ordered, "owner_email": found.owner_email or "",
        "version": etag(found),
    }  # fmt: skip
    return _form(request, typed, found)


@router.post(f"{HOME}/{{endpoint_id}}/edit")
async def update(
    request: Request, session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID, typed: Typed,
    no_headers: Annotated[bool, Form()] = False, version: Annotated[str, Form(max_length=100)] = "",
) -> Response:  # fmt: skip
    """Headers stay as they are where none are given, unless they are to go."""
    caller.require("operate")
    keep = not typed["headers"].strip() and not no_headers
    found = await webhook.endpoint(session, endpoint_id, lock=True)
    typed |= {"version": version}
    if version and version != etag(found):
        changed = BadArguments("Somebody has changed this endpoint meanwhile. Saved now, yours replaces theirs.", "url")
        return _form(request, typed | {"version": etag(found)}, found, changed)
    try:
        url = restored(typed["url"], found.url, masking().text(found.url), "url")
        fields = _read(typed | {"url": url})
        await webhook.update_endpoint(session, caller.name, endpoint_id, fields, keep_headers=keep)
    except BadArguments as error:
        return _form(request, typed, found, error)
    return flash.redirect(f"{HOME}/{endpoint_id}", "It is changed.")


@router.get(f"{HOME}/{{endpoint_id}}/disable")
async def ask_to_disable(
    request: Request, session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID
) -> Response:
    caller.require("operate")
    health = await webhook_views.health(session, [endpoint_id])
    found = await webhook.endpoint(session, endpoint_id)
    return render(request, "webhooks/disable.html", endpoint=found, health=health.get(endpoint_id, Health()))


@router.post(f"{HOME}/{{endpoint_id}}/disable")
async def disable(
    session: Transaction,
    caller: CurrentCaller,
    endpoint_id: uuid.UUID,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    caller.require("operate")
    try:
        await webhook.disable_endpoint(session, caller.name, endpoint_id, reason.strip())
    except Conflict as error:
        return flash.redirect(f"{HOME}/{endpoint_id}", str(error), bad=True)
    return flash.redirect(f"{HOME}/{endpoint_id}", "It is disabled. What is published meanwhile is kept.")


@router.post(f"{HOME}/{{endpoint_id}}/enable")
async def enable(session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID) -> Response:
    caller.require("operate")
    try:
        await webhook.enable_endpoint(session, caller.name, endpoint_id)
    except Conflict as error:
        return flash.redirect(f"{HOME}/{endpoint_id}", str(error), bad=True)
    return flash.redirect(f"{HOME}/{endpoint_id}", "It is enabled. What it missed can be sent again: Recover.")


@router.get(f"{HOME}/{{endpoint_id}}/delete")
async def ask_to_delete(
    request: Request, session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID
) -> Response:
    caller.require("operate")
    return render(
        request, "webhooks/delete.html", endpoint=await webhook.endpoint(session, endpoint_id),
        waiting=await webhook_views.waiting(session, endpoint_id), cap=webhook_views.CAP,
    )  # fmt: skip


@router.post(f"{HOME}/{{endpoint_id}}/delete")
async def delete(session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID) -> Response:
    caller.require("operate")
    url = masking().text((await webhook.endpoint(session, endpoint_id)).url)
    await webhook.delete_endpoint(session, caller.name, endpoint_id)
    return flash.redirect(HOME, f"The endpoint {url} was deleted.")


@router.post(f"{HOME}/{{endpoint_id}}/test")
async def send_test(session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID) -> Response:
    caller.require("operate")
    try:
        await webhook.send_test(session, endpoint_id)
    except Conflict as error:
        return flash.redirect(f"{HOME}/{endpoint_id}", str(error), bad=True)
    audit.note(session, caller.name, "webhook.endpoint.test", target=str(endpoint_id))
    return flash.redirect(f"{HOME}/{endpoint_id}", "A test is on its way: the newest delivery below.")


@router.get(f"{HOME}/{{endpoint_id}}/rotate")
async def ask_to_rotate(
    request: Request, session: Transaction, caller: CurrentCaller, endpoint_id: uuid.UUID
) -> Response:
    caller.require("operate")
    found = await webhook.endpoint(session, endpoint_id)
    return render(request, "webhooks/rotate.html", endpoint=found, keep_hours=_KEEP_HOURS)


@router.post(f"{HOME}/{{endpoint_id}}/rotate")
async def rotate(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    endpoint_id: uuid.UUID,
    keep_hours: Annotated[float, Form(ge=0, le=720)] = _KEEP_HOURS,
    asymmetric: Annotated[bool, Form()] = False,
) -> Response:
    """A new secret, in this answer and in no other."""
    caller.require("operate")
    keep = timedelta(hours=keep_hours)
    try:
        secret = await webhook.rotate_secret(session, caller.name, endpoint_id, asymmetric=asymmetric, keep=keep)
    except Conflict as error:
        return flash.redirect(f"{HOME}/{endpoint_id}", str(error), bad=True)
    found = await webhook.endpoint(session, endpoint_id)
    return render(request, "webhooks/secret.html", endpoint=found, secret=secret, is_new=False)


@router.get(f"{HOME}/{{endpoint_id}}/recover")
async def recover(
    endpoint_id: uuid.UUID, caller: CurrentCaller, hours: Annotated[float, Query(gt=0, le=8_760)] = 24
) -> Response:
    """To the question that names how many it has missed."""
    caller.require("operate")
    since = datetime.now(UTC) - timedelta(hours=hours)
    to = f"/deliveries/webhooks/replay?endpoint={endpoint_id}&since={since:%Y-%m-%dT%H:%M:%SZ}"
    return Response(status_code=303, headers={"Location": to})


def _form(
    request: Request, typed: dict[str, Any], endpoint: WebhookEndpoint | None, error: BadArguments | None = None
) -> Response:
    field = error.path.partition(".")[0] if error else ""
    return render(
        request, "webhooks/edit.html", status=422 if error else 200, endpoint=endpoint, typed=typed,
        types=webhook.event_types(), wrong={field if field in _FIELDS else "url": str(error)} if error else {},
    )  # fmt: skip


def _read(typed: dict[str, Any]) -> webhook.EndpointFields:
    """Raises BadArguments, its path naming the field."""
    return webhook.EndpointFields(
        url=typed["url"],
        description=typed["description"],
        event_types=typed["event_types"] or None,
        headers=_headers(typed["headers"]),
        timeout=_number(typed["timeout"], "timeout"),
        rate=_number(typed["rate"], "rate") if typed["rate"].strip() else None,
        schedule=[_number(delay, "schedule") for delay in typed["schedule"].split(",")]
        if typed["schedule"].strip()
        else None,
        ordered=typed["ordered"],
        owner_email=typed["owner_email"] or None,
    )


def _headers(text: str) -> dict[str, str]:
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise BadArguments(f"{line[:60]!r} is no header. Write one a line: Name: value.", "headers")
        found[name.strip()] = value.strip()
    return found


def _number(text: str, path: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadArguments(f"{text[:20]!r} is not a number.", path) from None
