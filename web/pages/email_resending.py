"""/deliveries/emails/resend: send again the mails that a filter finds."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from errors import BadArguments, BadRequest
from services import email_resending
from services.email_resending import Filter
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.emails import HOURS, Period, Wanted
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HERE = "/deliveries/emails/resend"
RATE = "20"
Typed = Annotated[str, Form(max_length=320)]


@router.get(HERE)
async def ask(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    status: Wanted = "",
    address: Wanted = "",
    tag: Wanted = "",
    template: Wanted = "",
    answer: Wanted = "",
    period: Period = "",
) -> Response:
    """Count them, and ask. A period becomes a moment here: what is sent is what was counted."""
    caller.require("operate")
    since = f"{datetime.now(UTC) - timedelta(hours=HOURS[period]):%Y-%m-%dT%H:%M:%SZ}" if period else ""
    return await _question(request, session, _filter(status, since, address, tag, template, answer), RATE, "", None)


@router.post(HERE)
async def resend(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    status: Typed = "",
    since: Annotated[str, Form(max_length=40)] = "",
    address: Typed = "",
    tag: Typed = "",
    template: Typed = "",
    answer: Typed = "",
    rate: Annotated[str, Form(max_length=20)] = RATE,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    caller.require("operate")
    only = _filter(status, since, address, tag, template, answer)
    try:
        job = await email_resending.start(session, caller.name, only, rate=_number(rate), reason=reason.strip() or None)
    except BadArguments as error:
        return await _question(request, session, only, rate, reason, error)
    return flash.redirect(f"/jobs/{job}", "This job sends them. Watch it here; cancelling it leaves what is sent.")


async def _question(
    request: Request, session: AsyncSession, only: Filter, rate: str, reason: str, error: BadArguments | None
) -> Response:
    return render(
        request, "emails/resend_many.html", status=422 if error else 200, only=only, rate=rate, reason=reason,
        count=await email_resending.count(session, only), wrong=str(error) if error else "",
    )  # fmt: skip


def _filter(status: str, since: str, address: str, tag: str, template: str, answer: str) -> Filter:
    """Raises BadRequest and BadArguments."""
    try:
        moment = datetime.fromisoformat(since) if since else None
    except ValueError:
        moment = None
    if since and (moment is None or moment.tzinfo is None):
        raise BadRequest("The address of this page is damaged. Start from the list of e-mails.")
    return Filter(
        status=status, since=moment, address=address.strip() or None, tag=tag.strip() or None,
        template=template.strip() or None, answer=answer.strip() or None,
    )  # fmt: skip


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadArguments(f"{text[:20]!r} is not a number.", "rate") from None
