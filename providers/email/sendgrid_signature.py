"""Is a request really from SendGrid's Event Webhook? ECDSA over the timestamp and the bytes of the body."""

import binascii
from functools import cache

from sendgrid.helpers.eventwebhook import EventWebhook

from errors import ConfigurationError, Forbidden

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
FRESH = 600  # seconds


def verify(public_key: str, body: bytes, signature: str, timestamp: str, now: float) -> None:
    """Raises Forbidden unless SendGrid has signed exactly these bytes within the last ten minutes."""
    try:
        fresh = abs(int(timestamp) - now) <= FRESH
        is_right = _webhook(public_key).verify_signature(body.decode(), signature, timestamp)
    except (ValueError, TypeError, binascii.Error):  # a signature, a time or a body that is none
        raise Forbidden("The signature is wrong.") from None
    if not is_right:
        raise Forbidden("The signature is wrong.")
    if not fresh:
        raise Forbidden("The signature is too old.")


@cache
def _webhook(public_key: str) -> EventWebhook:
    try:
        return EventWebhook(public_key)
    except ValueError:
        raise ConfigurationError(
            "SENDGRID_WEBHOOK_KEY is no public key. Copy the verification key of the Event Webhook's settings."
        ) from None
