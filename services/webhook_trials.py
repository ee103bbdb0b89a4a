"""Trying a delivery out: what it would be like at another address, and whether a secret fits its signature."""

import uuid
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from actors.webhook import routing
from actors.webhook.delivering import message_name
from actors.webhook.routing import Delivery
from actors.webhook.sealed import seal_json
from db.models import WebhookAttempt, WebhookMessage
from errors import BadArguments
from providers.http import destinations
from providers.webhooks.signing import read_secret, verify
from services import audit, webhook
from settings import settings

_ED25519 = ("whsk_", "whpk_")


async def send_to(
    session: AsyncSession, who: str, delivery_id: uuid.UUID, url: str, *, secret: str | None = None
) -> uuid.UUID:
    """Send what was delivered to another address, once: the same body and `webhook-id`. Returns the new delivery's id.

    It is signed with this secret, or not at all: never with the endpoint's own, or whoever reads that address could
    pass it on to the endpoint as genuine; for the same reason the endpoint's own headers stay away. It says nothing of
    the endpoint's health, and is not sent again with what failed. Raises NotFound, and BadArguments whose `path` is
    `url` or `secret`.
    """
    found = await webhook.delivery(session, delivery_id)
    destinations(settings()).check(url)
    if url == found.url:
        raise BadArguments("It went to this URL. Send it again instead.", "url")
    alone = {"secrets": [read_secret(secret)] if secret else [], "headers": {}, "once": True}
    sealed = seal_json(settings(), found.message_id, alone)
    [new] = await routing.write_deliveries(session, [Delivery(found.message_id, None, url, sealed, delivery_id)])
    audit.note(session, who, "webhook.delivery.try", target=str(delivery_id), details={"url": url, "as": str(new)})
    return new


@dataclass(frozen=True)
class Verified:
    """Whether a signature was made with a secret, and what that means."""

    fits: bool
    said: str


def check(message: WebhookMessage, attempt: WebhookAttempt, secret: str, signature: str | None = None) -> Verified:
    """Look whether the secret (or the public key `whpk_…`) fits what an attempt sent, or the `webhook-signature` that a
    receiver has seen of it. The code that signs looks, and keeps nothing of it. Raises BadArguments: its `path` is
    `secret`, or `signature` where there is none to look at."""
    sent = attempt.request_headers or {}
    header = (signature or sent.get("webhook-signature", "")).strip()
    if not header or "webhook-timestamp" not in sent:
        raise BadArguments("This attempt was not signed. Paste the signature that the receiver has seen.", "signature")
    secret = secret.strip()
    if not secret:
        raise BadArguments("Paste the secret, whsec_…, or the public key, whpk_….", "secret")
    if not secret.startswith("whpk_"):
        secret = read_secret(secret)
    at = int(sent["webhook-timestamp"])
    try:
        fits = verify(secret, message_name(message.id), at, message.body, header, now=at)
    except BadArguments as error:  # of a public key
        raise BadArguments(str(error), "secret") from None
    if fits:
        return Verified(True, "The signature was made with this secret, over these bytes.")
    wanted, has = ("v1a", "v1") if secret.startswith(_ED25519) else ("v1", "v1a")
    kinds = {part.partition(",")[0] for part in header.split()}
    if wanted not in kinds and has in kinds:
        return Verified(
            False, f"The signature is of the kind {has}, and this secret makes {wanted}: it is another key."
        )
    if not kinds & {"v1", "v1a"}:
        return Verified(False, "The signature begins with neither v1, nor v1a,: a part of it is missing.")
    return Verified(False, "It was not made with this secret, or not over these bytes, this id and this timestamp.")
