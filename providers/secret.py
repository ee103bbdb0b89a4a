"""The key that this installation signs and encrypts with."""

import hashlib
import os
import secrets
from functools import cache
from pathlib import Path

from errors import ConfigurationError
from settings import Settings


@cache
def secret_key(settings: Settings) -> bytes:
    """32 bytes made from SECRET_KEY; unset, from a file in CALLBOARD_HOME that is written the first time, which will do
    while all processes are on one machine. Raises ConfigurationError."""
    text = settings.secret_key.get_secret_value() if settings.secret_key else _kept(settings.callboard_home / "secret")
    return hashlib.sha256(text.encode()).digest()


def _kept(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Linked into place when it is whole: of two processes that start together one wins, and both read the same.
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        if not path.exists():
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            try:
                os.link(part, path)
            except FileExistsError:
                pass
            finally:
                part.unlink()
        return path.read_text()
    except OSError as error:
        raise ConfigurationError(
            f"SECRET_KEY is not set, and {path} cannot be used instead: {error.strerror or error}. Set SECRET_KEY."
        ) from None
