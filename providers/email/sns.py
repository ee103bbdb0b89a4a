"""Amazon SNS, by which SES tells its events: is a message really from there, and from a topic of ours?

Source: "Verifying the signatures of Amazon SNS messages". The certificate is only ever fetched from Amazon's own hosts,
over the guarded client; the topic must be one of SES_TOPICS, since everybody can have a topic of their own there.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from errors import Forbidden, NotSent
from providers import http

FRESH = timedelta(hours=1)  # SNS tries again for longer, with new signatures; what is older is somebody's replay
DEADLINE = 10.0  # seconds

_HOST = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/"
_CERTIFICATE = re.compile(_HOST + r"SimpleNotificationService-[0-9a-zA-Z]{1,80}\.pem")
_CONFIRM = re.compile(_HOST + r"\?Action=ConfirmSubscription&[A-Za-z0-9=&:%_.+-]{1,1500}")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 (SNS's own choice)


class Certificates(Protocol):
    """Where certificates come from."""

    async def fetch(self, url: str) -> bytes:
        """The PEM at this address. Raises DeliveryError."""


class AmazonCertificates:
    """Fetched once each; there are few, and they change once a year."""

    def __init__(self, client: http.GuardedClient) -> None:
        self._client = client
        self._kept: dict[str, bytes] = {}

    async def fetch(self, url: str) -> bytes:
        if url not in self._kept:
            response = await self._client.request("GET", url, deadline=DEADLINE)
            if not response.is_success or response.truncated:
                raise NotSent(f"The certificate {url} could not be fetched: {response.status}.")
            if len(self._kept) > 20:
                self._kept.clear()
            self._kept[url] = response.body
        return self._kept[url]


async def verify(
    said: Mapping[str, Any], topics: tuple[str, ...], certificates: Certificates, now: datetime | None = None
) -> None:
    """Raises Forbidden unless SNS has signed this lately for one of these topics, and DeliveryError when the
    certificate cannot be had."""
    if said.get("TopicArn") not in topics:
        raise Forbidden("This SNS topic is not one of SES_TOPICS.")
    url, names = str(said.get("SigningCertURL")), _SIGNED.get(str(said.get("Type")))
    algorithm = _HASHES.get(str(said.get("SignatureVersion")))
    if names is None or algorithm is None or not _CERTIFICATE.fullmatch(url):
        raise Forbidden("This is no message that SNS signs.")
    now = now or datetime.now(UTC)
    certificate = x509.load_pem_x509_certificate(await certificates.fetch(url))
    key = certificate.public_key()
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if not isinstance(key, RSAPublicKey) or not in_time or not _is_fresh(said.get("Timestamp"), now):
        raise Forbidden("The message, or the certificate it is signed with, is too old.")
    signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
    try:
        key.verify(base64.b64decode(str(said.get("Signature")), validate=True), signed.encode(), PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError):
        raise Forbidden("The signature is wrong.") from None


def confirmation_url(said: Mapping[str, Any]) -> str:
    """The address to visit for a subscription to begin. Raises Forbidden if it does not lead to SNS."""
    url = str(said.get("SubscribeURL"))
    if not _CONFIRM.fullmatch(url):
        raise Forbidden("The address of this confirmation does not lead to SNS.")
    return url


def _is_fresh(timestamp: object, now: datetime) -> bool:
    try:
        return abs(now - datetime.fromisoformat(str(timestamp)).astimezone(UTC)) < FRESH
    except ValueError:
        return False
