"""POST /webhook/ses: Amazon SES's events, by way of SNS."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from errors import BadRequest, NotFound
from providers import http
from providers.email.events import from_ses
from providers.email.sns import AmazonCertificates, Certificates, confirmation_url, verify
from services import email_events
from settings import Settings
from web.transaction import Transaction

PATH = "/webhook/ses"

router = APIRouter()


def certificates(request: Request) -> Certificates:
    """Where SNS's certificates come from: one store for the process."""
    state = request.app.state
    if not hasattr(state, "sns_certificates"):
        state.sns_certificates = AmazonCertificates(http.client(state.settings))
    kept: Certificates = state.sns_certificates
    return kept


@router.post(PATH, status_code=204)
async def take(
    request: Request, session: Transaction, store: Annotated[Certificates, Depends(certificates)]
) -> Response:
    """Check who signed it and for which topic, enqueue what it says, and answer."""
    settings: Settings = request.app.state.settings
    if not settings.ses_topics:
        raise NotFound("No events of SES are taken here: SES_TOPICS is not set.")
    said = _parsed(await request.body())
    await verify(said, settings.ses_topics, store)
    if said["Type"] == "SubscriptionConfirmation":
        await email_events.confirm_topic(session, confirmation_url(said))
    elif said["Type"] == "Notification":
        try:
            events = from_ses(said)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise BadRequest(f"The message is none that SES writes: {error}.") from None
        await email_events.record(session, events)
    return Response(status_code=204)


def _parsed(body: bytes) -> dict[str, Any]:
    """SNS says `text/plain`, whatever it sends."""
    try:
        said = orjson.loads(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(said, dict):
        raise BadRequest("The body is not a message of SNS.")
    return said
