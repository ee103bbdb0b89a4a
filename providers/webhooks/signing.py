"""Signatures of the Standard Webhooks specification, over the very bytes that are sent.

whsec_<base64>    a symmetric secret of 24 to 64 bytes, for `v1` (HMAC-SHA256)
whsk_<base64>     an ed25519 private key (its seed, or seed and public key), for `v1a`
whpk_<base64>     its public key, which the receiver gets
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from errors import BadArguments

TOLERANCE = 300  # seconds that a timestamp may be off
_SYMMETRIC, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_LEAST, _MOST = 24, 64  # bytes of a secret of ours; those of others may be shorter


def new_secret(asymmetric: bool = False) -> str:
    if asymmetric:
        return _PRIVATE + base64.b64encode(secrets.token_bytes(32)).decode()
    return _SYMMETRIC + base64.b64encode(secrets.token_bytes(32)).decode()


def public_key(secret: str) -> str | None:
    """What the receiver verifies `v1a` with; None for a symmetric secret."""
    if not secret.startswith(_PRIVATE):
        return None
    public = _private_key(secret).public_key().public_bytes_raw()
    return _PUBLIC + base64.b64encode(public).decode()


def read_secret(secret: str, path: str = "secret") -> str:
    """The secret with its prefix: some leave out `whsec_`. Raises BadArguments unless it can sign."""
    if secret.startswith(_PRIVATE):
        _private_key(secret, path)
        return secret
    size = len(_symmetric_key(secret, path))
    if not _LEAST <= size <= _MOST:
        raise BadArguments(f"{path} has {size} bytes; between {_LEAST} and {_MOST} are wanted.", path)
    return _SYMMETRIC + secret.removeprefix(_SYMMETRIC)


def hint(secret: str) -> str:
    """What of a secret may be shown, so that somebody can tell it from others: its kind and its last letters."""
    return f"{_PRIVATE if secret.startswith(_PRIVATE) else _SYMMETRIC}…{secret[-4:]}"


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, so that a receiver may have any of them.

    `timestamp` is in whole seconds since 1970. Raises BadArguments.
    """
    if type(timestamp) is not int or timestamp < 0:
        raise BadArguments(f"timestamp {timestamp!r} is not a number of whole seconds since 1970.", "timestamp")
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(_signature(secret, content) for secret in secrets)


def verify(secret: str, message_id: str, timestamp: int, body: bytes, header: str, now: float) -> bool:
    """Whether one of the header's signatures was made with this secret (or the key to this `whpk_`), lately."""
    if abs(now - timestamp) > TOLERANCE:
        return False
    content = f"{message_id}.{timestamp}.".encode() + body
    if secret.startswith(_PUBLIC):
        return any(_is_signed(secret, content, part[4:]) for part in header.split() if part.startswith("v1a,"))
    expected = _signature(secret, content)
    return any(hmac.compare_digest(expected.encode(), part.encode()) for part in header.split())


def _signature(secret: str, content: bytes) -> str:
    if secret.startswith(_PRIVATE):
        return "v1a," + base64.b64encode(_private_key(secret).sign(content)).decode()
    digest = hmac.digest(_symmetric_key(secret), content, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _is_signed(public: str, content: bytes, signature: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(_decoded(public.removeprefix(_PUBLIC), "public key"))
        key.verify(base64.b64decode(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _symmetric_key(secret: str, path: str = "secret") -> bytes:
    key = _decoded(secret.removeprefix(_SYMMETRIC), path)
    if not key:
        raise BadArguments(f"{path} is empty. It looks like whsec_MfKQ9r8GKYqrTwjU…", path)
    return key


def _private_key(secret: str, path: str = "secret") -> Ed25519PrivateKey:
    data = _decoded(secret.removeprefix(_PRIVATE), path)
    if len(data) not in (32, 64):
        raise BadArguments(f"{path} is no ed25519 key: it has {len(data)} bytes.", path)
    key = Ed25519PrivateKey.from_private_bytes(data[:32])
    if len(data) == 64 and key.public_key().public_bytes_raw() != data[32:]:
        raise BadArguments(f"{path} is no ed25519 key: its public half belongs to another.", path)
    return key


def _decoded(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)  # some leave the padding out
    except (binascii.Error, ValueError):
        raise BadArguments(f"{path} is not base64. It looks like whsec_MfKQ9r8GKYqrTwjU…", path) from None
