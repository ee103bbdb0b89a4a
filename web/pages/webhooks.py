"""/deliveries/webhooks: what became of events; /deliveries/webhooks/ID: one delivery, with every attempt."""

import shlex
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Form, Request, Response

from db.models import WebhookAttempt
from errors import BadArguments, BadRequest, Conflict
from services import webhook, webhook_views
from services.masking import masking
from services.webhook_search import MOST_SEARCHED, Answer
from web.caller import CurrentCaller
from web.pages import flash
from web.pages.emails import HOURS, PAGE, Period, Wanted
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

HOME = "/deliveries/webhooks"
MOST_ENDPOINTS = 200  # to choose from
RATE = 20.0
_PHASES = {
    "resolved": "DNS", "connected": "connecting", "secured": "TLS", "sent": "sending", "first_byte": "waiting",
    "total": "reading",
}  # fmt: skip
ANSWERS = ("2xx", "3xx", "4xx", "5xx", "none", "dns", "connect", "tls", "timeout_total", "reset", "lost")  # suggested


@router.get(HOME)
async def page(
    request: Request,
    session: Transaction,
    endpoint: Wanted = "",
    outcome: Wanted = "",
    event_type: Wanted = "",
    period: Period = "",
    answer: Wanted = "",
    before: uuid.UUID | None = None,
) -> Response:
    only = _filter(endpoint, outcome, event_type, period)
    try:
        answered, wrong = Answer.read(answer.strip().lower()) if answer.strip() else None, ""
    except BadArguments as error:
        answered, wrong = None, str(error)
    found = [] if wrong else await webhook.deliveries(
        session, only, pending=outcome == "pending", answer=answered, limit=PAGE, before=before
    )  # fmt: skip
    return render(
        request, "webhooks.html", status=422 if wrong else 200, deliveries=found, wrong=wrong, answers=ANSWERS,
        told=await webhook_views.told(session, [one.id for one in found]),
        endpoints=await webhook.endpoints(session, limit=MOST_ENDPOINTS),
        chosen={"endpoint": endpoint, "outcome": outcome, "event_type": event_type, "period": period, "answer": answer},
        outcomes=("pending", *webhook.OUTCOMES), types=webhook.event_types(), periods=list(HOURS), before=before,
        next=found[-1].id if len(found) == PAGE else None, most=MOST_SEARCHED,
    )  # fmt: skip


@router.get(f"{HOME}/replay")
async def ask_about_all(
    request: Request,
    session: Transaction,
    caller: CurrentCaller,
    endpoint: Wanted = "",
    outcome: Wanted = "",
    event_type: Wanted = "",
    period: Period = "",
    since: Wanted = "",
) -> Response:
    """Count what would be sent again, and ask. A period becomes a moment here: what is sent is what was counted."""
    caller.require("operate")
    only = _filter(endpoint, outcome, event_type, period, since)
    count = await webhook_views.to_replay(session, only)
    target = await webhook.endpoint(session, only.endpoint_id) if only.endpoint_id else None
    return render(
        request, "webhooks/replay.html", count=count, cap=webhook_views.CAP, endpoint=target, outcome=outcome,
        event_type=event_type, since=only.since, rate=RATE, failed=webhook.FAILED,
    )  # fmt: skip


@router.post(f"{HOME}/replay")
async def replay_all(
    session: Transaction,
    caller: CurrentCaller,
    endpoint: Annotated[str, Form(max_length=40)] = "",
    outcome: Annotated[str, Form(max_length=20)] = "",
    event_type: Annotated[str, Form(max_length=200)] = "",
    since: Annotated[str, Form(max_length=40)] = "",
    rate: Annotated[float, Form(ge=0.01, le=1000)] = RATE,
) -> Response:
    caller.require("operate")
    only = _filter(endpoint, outcome, event_type, "", since)
    try:
        job_id = await webhook.replay_matching(session, caller.name, only, rate=rate)
    except Conflict as error:
        return flash.redirect(HOME, str(error), bad=True)
    return flash.redirect(f"/jobs/{job_id}", "This job sends them. Watch it here; cancelling it leaves what is sent.")


@router.get(f"{HOME}/{{delivery_id}}")
async def one(request: Request, session: Transaction, delivery_id: uuid.UUID) -> Response:
    delivery = await webhook.delivery(session, delivery_id)
    message = await webhook.message(session, delivery.message_id)
    body = masking().value(orjson.loads(message.body))
    text = orjson.dumps(body).decode()
    attempts = await webhook.attempts(session, delivery_id)
    told = (await webhook_views.told(session, [delivery_id]))[delivery_id]
    return render(
        request, "webhooks/delivery.html", delivery=delivery, message=message, body=body, told=told,
        name=webhook.message_name(message.id), attempts=attempts[::-1],
        curl={attempt.number: _curl(attempt, text) for attempt in attempts},
        phases={attempt.number: _phases(attempt.timings or {}) for attempt in attempts},
    )  # fmt: skip


@router.get(f"{HOME}/{{delivery_id}}/replay")
async def ask(request: Request, session: Transaction, caller: CurrentCaller, delivery_id: uuid.UUID) -> Response:
    caller.require("operate")
    delivery = await webhook.delivery(session, delivery_id)
    told = (await webhook_views.told(session, [delivery_id]))[delivery_id]
    return render(request, "webhooks/replay_one.html", delivery=delivery, told=told)


@router.post(f"{HOME}/{{delivery_id}}/replay")
async def replay(session: Transaction, caller: CurrentCaller, delivery_id: uuid.UUID) -> Response:
    caller.require("operate")
    try:
        new = await webhook.replay(session, caller.name, delivery_id)
    except Conflict as error:
        return flash.redirect(f"{HOME}/{delivery_id}", str(error), bad=True)
    return flash.redirect(f"{HOME}/{new}", "It is on its way again, as this delivery.")


def _filter(endpoint: str, outcome: str, event_type: str, period: Period, since: str = "") -> webhook.Filter:
    """Raises BadRequest and BadArguments."""
    try:
        endpoint_id = uuid.UUID(endpoint) if endpoint else None
        moment = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise BadRequest("The address of this page is damaged. Start from the list of deliveries.") from None
    if period:
        moment = datetime.now(UTC) - timedelta(hours=HOURS[period])
    return webhook.Filter(
        endpoint_id=endpoint_id,
        outcomes=[outcome] if outcome and outcome != "pending" else None,
        since=moment,
        event_types=[event_type.strip()] if event_type.strip() else None,
    )


def _phases(timings: Mapping[str, float]) -> list[tuple[str, float]]:
    """What took how many seconds; `timings` are milliseconds from the start until each phase was over."""
    names = _PHASES if "resolved" in timings else _PHASES | {"connected": "DNS and connecting"}
    found, before = [], 0.0
    for phase, name in names.items():
        if phase in timings:
            found.append((name, max(0.0, timings[phase] - before) / 1000))
            before = timings[phase]
    return found


def _curl(attempt: WebhookAttempt, body: str) -> str:
    """The attempt as a command. What is masked has to be filled in."""
    shown = masking().value(attempt.request_headers or {})
    headers = [part for item in shown.items() for part in ("-H", ": ".join(item))]
    return shlex.join(["curl", "-X", "POST", masking().text(attempt.url), *headers, "--data-binary", body])
