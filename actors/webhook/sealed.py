"""An endpoint's secrets and headers: sealed in its row, in clear only while a request is signed."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from db.sealing import Sealer
from providers.webhooks.signing import hint, public_key
from settings import Settings


@cache
def sealer(settings: Settings) -> Sealer:
    return Sealer(settings, "webhooks")


def seal_secret(settings: Settings, owner: uuid.UUID, secret: str, now: datetime) -> dict[str, Any]:
    """As it stands in `secrets`: what of it may be shown is beside it."""
    return {
        "sealed": sealer(settings).seal(secret, str(owner)),
        "hint": hint(secret),
        "public_key": public_key(secret),
        "created_at": now.isoformat(),
        "expires_at": None,
    }


def open_secrets(settings: Settings, owner: uuid.UUID, kept: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """Those that have not expired, newest first."""
    return [
        sealer(settings).open(secret["sealed"], str(owner))
        for secret in kept
        if secret["expires_at"] is None or datetime.fromisoformat(secret["expires_at"]) > now
    ]


def seal_json(settings: Settings, owner: uuid.UUID, value: Any) -> str | None:
    """None for nothing."""
    return sealer(settings).seal(orjson.dumps(value).decode(), str(owner)) if value else None


def open_json(settings: Settings, owner: uuid.UUID, sealed: str | None) -> Any:
    return orjson.loads(sealer(settings).open(sealed, str(owner))) if sealed else {}
