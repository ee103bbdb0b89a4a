"""Secrets that the database keeps for others, encrypted: who reads the tables or a backup does not have them.

    Sealer(settings(), "webhooks").seal(text, "an endpoint's id") -> text
    Sealer(settings(), "webhooks").open(sealed, "an endpoint's id") -> text

AES-256-GCM (NIST SP 800-38D) with a random nonce, under a key derived from SECRET_KEY for each purpose (HKDF, RFC
5869). What a text was sealed for is authenticated with it: moved to another row it cannot be opened.
"""

import base64
import binascii
import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from errors import ConfigurationError, OtherKey
from settings import Settings

_NONCE = 12  # bytes


class Sealer:
    """Seals and opens what one purpose keeps. Raises ConfigurationError when there is no key and none can be made."""

    def __init__(self, settings: Settings, purpose: str) -> None:
        self._cipher = AESGCM(derived_key(settings, f"seal {purpose}"))

    def seal(self, text: str, belongs_to: str) -> str:
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), belongs_to.encode())).decode()

    def open(self, sealed: str, belongs_to: str) -> str:
        """Raises OtherKey if it was sealed with another."""
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], belongs_to.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise OtherKey(
                "A stored secret cannot be opened: it was sealed with another SECRET_KEY. "
                "Give every process the key it was sealed with, or set the secret anew."
            ) from None


def derived_key(settings: Settings, purpose: str) -> bytes:
    """32 bytes for one purpose, from SECRET_KEY or, without it, from a key made once in CALLBOARD_HOME."""
    given = settings.secret_key
    secret = given.get_secret_value() if given else _kept(settings.callboard_home / "secret_key")
    return HKDF(SHA256(), 32, salt=None, info=f"callboard {purpose}".encode()).derive(secret.encode())


def _kept(path: Path) -> str:
    """The key of this machine, made by whichever process needs it first."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make(path)
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"SECRET_KEY is not set, and {path} cannot be used instead: {error.strerror}. Set SECRET_KEY, "
            "the same for all processes: `python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
        ) from None


def _make(path: Path) -> None:
    """All at once: another process finds either no file or the whole of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
    with contextlib.suppress(FileExistsError):  # somebody was faster: theirs counts
        os.link(draft, path)
    draft.unlink()
