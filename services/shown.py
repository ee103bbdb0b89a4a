"""The settings of a process as they may be shown: no passwords, neither alone nor in a URL. Loads no actors."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from settings import Settings

MASK = "********"


@dataclass(frozen=True)
class ShownSetting:
    name: str  # of the environment variable
    value: str | int | float | None  # None: not set
    is_set: bool  # in the environment, .env or callboard.toml; else it is the default
    meaning: str


def listed(settings: Settings) -> list[ShownSetting]:
    """In the order of settings.py."""
    return [
        ShownSetting(
            name.upper(), shown(getattr(settings, name)), name in settings.model_fields_set, field.description or ""
        )
        for name, field in Settings.model_fields.items()
    ]


def shown(value: object) -> str | int | float | None:
    """A setting as it may be shown."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(_text(str(part)) for part in value)
    return _text(str(value))


def _text(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        return text
    login, at, address = parts.netloc.rpartition("@")
    login = f"{login.split(':')[0]}:{MASK}" if ":" in login else login
    query = f"?{MASK}" if parts.query else ""  # it can hold a password too
    return f"{parts.scheme}://{login}{at}{address}{parts.path}{query}"
