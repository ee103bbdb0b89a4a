"""/deliveries/emails: what became of mails; /deliveries/emails/ID: one of them; who gets none; what templates make."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from db.models import Email
from db.models.emails import STATUSES
from errors import BadArguments, BadRequest, ConfigurationError, Conflict
from providers.email.message import Message
from services import email, email_resending, suppressions
from services.callers import Caller
from services.masking import of_mail
from web.api import cursor
from web.caller import CurrentCaller
from web.pages import flash, formats
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HOURS = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}
MOST_SHOWN = 200
PAGE = 50

# Somebody else's HTML, for a frame that may do nothing: no script, no form, no link out, and nothing is fetched. Inline
# styles are all that mail programs understand, so they are let through, in this one answer.
FRAMED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; form-action 'none'; base-uri 'none'",
    "X-Frame-Options": "SAMEORIGIN",
}

Period = Literal["", "1h", "24h", "7d", "30d"]
Wanted = Annotated[str, Query(max_length=320)]


@router.get("/deliveries")
@router.get("/deliveries/emails")
async def page(
    request: Request,
    session: Transaction,
    address: Wanted = "",
    status: Wanted = "",
    tag: Wanted = "",
    template: Wanted = "",
    answer: Wanted = "",
    period: Period = "",
    before: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    found = await email.recent(
        session, PAGE, before=cursor.decode(before) if before else None, status=status or None,
        address=address.strip() or None, tag=tag.strip() or None, template=template.strip() or None,
        answer=answer.strip() or None,
        since=datetime.now(UTC) - timedelta(hours=HOURS[period]) if period else None,
    )  # fmt: skip
    chosen = {
        "address": address, "status": status, "tag": tag, "template": template, "answer": answer, "period": period,
    }  # fmt: skip
    more = cursor.encode(found[-1].created_at, found[-1].id) if len(found) == PAGE else None
    return render(
        request, "emails.html", emails=found, chosen=chosen, statuses=STATUSES, periods=list(HOURS), before=before,
        next=more, most=email.MOST_SEARCHED, can_resend=status in email_resending.STATUSES,
    )  # fmt: skip


@router.get("/deliveries/emails/{email_id}")
async def one(request: Request, session: Transaction, caller: CurrentCaller, email_id: uuid.UUID) -> Response:
    mail = await email.get(session, email_id)
    message, problem = _written(mail)
    response = render(
        request, "emails/email.html", email=mail, events=await email.events(session, email_id), message=message,
        problem=problem, data=of_mail((mail.content or {}).get("data"), caller), can_resend=_can_resend(mail),
    )  # fmt: skip
    return _may_frame(response)


@router.get("/deliveries/emails/{email_id}/html")
async def html(session: Transaction, caller: CurrentCaller, email_id: uuid.UUID) -> Response:
    """The mail's HTML, for the frame."""
    message, problem = _written(await email.get(session, email_id))
    return _framed(message.html or "" if message else problem, caller)


@router.get("/deliveries/emails/{email_id}/resend")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, email_id: uuid.UUID) -> Response:
    caller.require("operate")
    mail = await email.get(session, email_id)
    missing = [address for address in mail.addresses if address not in mail.accepted]
    return render(request, "emails/resend.html", email=mail, missing=missing)


@router.post("/deliveries/emails/{email_id}/resend")
async def resend(
    session: Transaction,
    caller: CurrentCaller,
    email_id: uuid.UUID,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    caller.require("operate")
    here = f"/deliveries/emails/{email_id}"
    try:
        await email.resend(session, email_id, caller.name, reason or None)
    except Conflict as error:
        return flash.redirect(here, str(error), bad=True)
    return flash.redirect(here, "It is on its way again. Whoever has it gets no second one.")


@router.get("/deliveries/suppressions")
async def suppressed(
    request: Request, session: Transaction, address: Wanted = "", reason: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    return await _suppressions(request, session, {"address": address, "reason": reason})


@router.post("/deliveries/suppressions")
async def suppress(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    address: Annotated[str, Form(max_length=320)] = "",
    mailing_list: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    caller.require("operate")
    try:
        await suppressions.add(
            session, address.strip(), caller.name, mailing_list=mailing_list.strip() or None, note=note or None
        )
    except BadArguments as error:
        typed = {"address": address, "mailing_list": mailing_list, "note": note}
        return await _suppressions(request, session, {"address": "", "reason": ""}, typed, (error.path, str(error)))
    return flash.redirect("/deliveries/suppressions", f"Nothing is sent to {address.strip()} any more.")


@router.get("/deliveries/suppressions/remove")
async def ask_to_release(
    request: Request, session: Transaction, caller: CurrentCaller, address: Wanted, reason: Wanted = ""
) -> Response:
    caller.require("operate")
    entries = await suppressions.listed(session, address=address, reason=reason or None)
    return render(request, "emails/release.html", address=address, reason=reason, entries=entries)


@router.post("/deliveries/suppressions/remove")
async def release(
    session: Transaction,
    caller: CurrentCaller,
    address: Annotated[str, Form(max_length=320)],
    reason: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    caller.require("operate")
    await suppressions.remove(session, address, caller.name, reason=reason or None)
    return flash.redirect("/deliveries/suppressions", f"Mail is sent to {address} again.")


async def _suppressions(
    request: Request,
    session: Transaction,
    chosen: dict[str, str],
    typed: dict[str, str] | None = None,
    wrong: tuple[str | None, str] = (None, ""),
) -> Response:
    if chosen["reason"] and chosen["reason"] not in suppressions.REASONS:
        raise BadRequest(f"No address is here for {chosen['reason']!r}: {', '.join(suppressions.REASONS)}.")
    found = await suppressions.listed(
        session, MOST_SHOWN, address=chosen["address"].strip() or None, reason=chosen["reason"] or None
    )
    return render(
        request, "emails/suppressions.html", status=422 if wrong[1] else 200, entries=found, chosen=chosen,
        reasons=suppressions.REASONS, typed=typed or {"address": "", "mailing_list": "", "note": ""}, wrong=wrong,
        most=MOST_SHOWN,
    )  # fmt: skip


@router.get("/deliveries/templates")
async def template(
    request: Request,
    name: Annotated[str, Query(max_length=100)] = "",
    data: Annotated[str, Query(max_length=20_000)] = "{}",
) -> Response:
    """What a template makes of some data."""
    message, wrong = _preview(name, data) if name else (None, (None, ""))
    response = render(
        request, "emails/template.html", status=422 if wrong[1] else 200, names=email.template_names(), name=name,
        data=data, message=message, wrong=wrong,
    )  # fmt: skip
    return _may_frame(response)


@router.get("/deliveries/templates/html")
async def template_html(
    caller: CurrentCaller,
    name: Annotated[str, Query(max_length=100)],
    data: Annotated[str, Query(max_length=20_000)] = "{}",
) -> Response:
    message, wrong = _preview(name, data)
    return _framed(message.html or "" if message else wrong[1], caller)


def _preview(name: str, data: str) -> tuple[Message | None, tuple[str | None, str]]:
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return None, ("data", f"This is not JSON: {error}.")
    if not isinstance(given, dict):
        return None, ("data", "The data must be a JSON object.")
    try:
        return email.preview(name, given), (None, "")
    except BadArguments as error:
        return None, (error.path, str(error))
    except ConfigurationError as error:
        return None, (None, str(error))


def _written(mail: Email) -> tuple[Message | None, str]:
    try:
        return email.written(mail), ""
    except (BadArguments, ConfigurationError) as error:
        return None, str(error)


def _can_resend(mail: Email) -> bool:
    return mail.content is not None and mail.status in ("failed", "rejected", "suppressed", "cancelled", "unknown")


def _framed(text: str, caller: Caller) -> HTMLResponse:
    return HTMLResponse(formats.mail(text, caller), headers=FRAMED)


def _may_frame(response: HTMLResponse) -> HTMLResponse:
    """A page that shows a frame of ours."""
    response.headers["Content-Security-Policy"] += "; frame-src 'self'"
    return response
