"""Links by which the reader of a mailing list leaves it, with one click (RFC 8058).

The link names the reader, the list and the mail, and is signed: nobody can take others off, and none has to be stored.
A mail program that offers to leave the list sends a POST to it, without a person having to confirm anything.
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from functools import cache

import orjson

from db.sealing import derived_key
from errors import BadArguments, ConfigurationError
from settings import Settings

PATH = "/unsubscribe/"
NO_PUBLIC_URL = (
    "PUBLIC_URL is not set, and mails of a mailing list need it for the link to leave the list. "
    "Set it to the address at which readers reach the web process."
)
_LONGEST = 1000


@dataclass(frozen=True)
class Leaving:
    """Who leaves which list, because of which mail."""

    address: str
    mailing_list: str
    email_id: uuid.UUID


def unsubscribe_headers(settings: Settings, email_id: uuid.UUID, address: str, mailing_list: str) -> dict[str, str]:
    """Both headers; a mail's DKIM signature is to cover them. Raises ConfigurationError unless PUBLIC_URL is set."""
    if settings.public_url is None:
        raise ConfigurationError(NO_PUBLIC_URL)
    base = str(settings.public_url).rstrip("/")
    token = token_of(settings, Leaving(address, mailing_list, email_id))
    return {
        "List-Unsubscribe": f"<{base}{PATH}{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def token_of(settings: Settings, leaving: Leaving) -> str:
    said = orjson.dumps([leaving.address, leaving.mailing_list, leaving.email_id.hex])
    return f"{_encoded(said)}.{_encoded(_signature(settings, said))}"


def read_token(settings: Settings, token: str) -> Leaving:
    """Raises BadArguments for a link that is not ours."""
    said, _, signature = token[:_LONGEST].partition(".")
    try:
        content, proof = _decoded(said), _decoded(signature)
    except (ValueError, binascii.Error):
        content, proof = b"", b""
    if not hmac.compare_digest(_signature(settings, content), proof):
        raise BadArguments("This link is not whole. Copy all of it from the e-mail.", "token")
    address, mailing_list, email_id = orjson.loads(content)
    return Leaving(address, mailing_list, uuid.UUID(email_id))


def _signature(settings: Settings, said: bytes) -> bytes:
    return hmac.new(_key(settings), said, hashlib.sha256).digest()[:18]


@cache
def _key(settings: Settings) -> bytes:
    return derived_key(settings, "unsubscribe")


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
