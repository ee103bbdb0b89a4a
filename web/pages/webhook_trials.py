"""/deliveries/webhooks/ID/try: send a delivery to another URL; …/verify: does a secret fit its signature?"""

import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import WebhookAttempt
from errors import BadArguments
from services import webhook, webhook_trials, webhook_views
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.rendering import render
from web.pages.webhooks import HOME
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)


@router.get(f"{HOME}/{{delivery_id}}/try")
async def ask_where(request: Request, session: Transaction, caller: CurrentCaller, delivery_id: uuid.UUID) -> Response:
    caller.require("operate")
    return await _question(request, session, delivery_id, "", None)


@router.post(f"{HOME}/{{delivery_id}}/try")
async def send(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    delivery_id: uuid.UUID,
    url: Annotated[str, Form(max_length=2_000)] = "",
    secret: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Once, and for nobody's record but its own."""
    caller.require("operate")
    try:
        new = await webhook_trials.send_to(
            session, caller.name, delivery_id, url.strip(), secret=secret.strip() or None
        )
    except BadArguments as error:
        return await _question(request, session, delivery_id, url, error)
    return flash.redirect(f"{HOME}/{new}", "It is on its way, once, as this delivery.")


@router.get(f"{HOME}/{{delivery_id}}/verify")
async def ask_for_secret(
    request: Request, session: Transaction, caller: CurrentCaller, delivery_id: uuid.UUID
) -> Response:
    caller.require("operate")
    return await _check(request, session, delivery_id)


@router.post(f"{HOME}/{{delivery_id}}/verify")
async def verify(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    delivery_id: uuid.UUID,
    secret: Annotated[str, Form(max_length=500)] = "",
    signature: Annotated[str, Form(max_length=2_000)] = "",
    number: Annotated[int, Form(alias="attempt", ge=1, lt=2**31)] = 1,
) -> Response:
    """Whether it fits. What was pasted is kept nowhere, and is not in the answer."""
    caller.require("operate")
    return await _check(request, session, delivery_id, (secret, signature, number))


async def _question(
    request: Request, session: AsyncSession, delivery_id: uuid.UUID, url: str, error: BadArguments | None
) -> Response:
    delivery = await webhook.delivery(session, delivery_id)
    told = (await webhook_views.told(session, [delivery_id]))[delivery_id]
    return render(
        request, "webhooks/try.html", status=422 if error else 200, delivery=delivery, told=told, url=url,
        wrong={error.path: str(error)} if error else {},
    )  # fmt: skip


async def _check(
    request: Request, session: AsyncSession, delivery_id: uuid.UUID, pasted: tuple[str, str, int] | None = None
) -> Response:
    delivery = await webhook.delivery(session, delivery_id)
    message = await webhook.message(session, delivery.message_id)
    attempts = (await webhook.attempts(session, delivery_id))[::-1]
    chosen = attempts[0].number if attempts else 0
    found, wrong = None, {}
    if pasted is not None:
        secret, signature, chosen = pasted
        try:
            attempt = _numbered(attempts, chosen)
            found = webhook_trials.check(message, attempt, secret, signature.strip() or None)
        except BadArguments as error:
            wrong = {error.path: str(error)}
    return render(
        request, "webhooks/verify.html", status=422 if wrong else 200, delivery=delivery, attempts=attempts,
        chosen=chosen, found=found, wrong=wrong,
    )  # fmt: skip


def _numbered(attempts: Sequence[WebhookAttempt], number: int) -> WebhookAttempt:
    found = next((one for one in attempts if one.number == number), None)
    if found is None:
        raise BadArguments("There is no such attempt.", "attempt")
    return found
