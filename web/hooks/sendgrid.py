"""POST /webhook/sendgrid: SendGrid's Event Webhook."""

import time

import orjson
from fastapi import APIRouter, Request, Response

from errors import BadRequest, NotFound
from providers.email.events import from_sendgrid
from providers.email.sendgrid_signature import SIGNATURE, TIMESTAMP, verify
from services import email_events
from settings import Settings
from web.transaction import Transaction

PATH = "/webhook/sendgrid"
MOST_EVENTS = 1_000  # what SendGrid sends at most
MOST_BYTES = 2 * 1024 * 1024

router = APIRouter()


@router.post(PATH, status_code=204)
async def take(request: Request, session: Transaction) -> Response:
    """Check the signature on the bytes as they came, enqueue what they say, and answer."""
    settings: Settings = request.app.state.settings
    if settings.sendgrid_webhook_key is None:
        raise NotFound("No events of SendGrid are taken here: SENDGRID_WEBHOOK_KEY is not set.")
    body = await request.body()
    headers = request.headers
    verify(settings.sendgrid_webhook_key, body, headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, ""), time.time())
    try:
        items = orjson.loads(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(items, list) or len(items) > MOST_EVENTS:
        raise BadRequest(f"The body is not a list of at most {MOST_EVENTS:,} events.")
    await email_events.record(session, from_sendgrid(items))
    return Response(status_code=204)
