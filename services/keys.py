"""Programs' keys: `cb_<prefix>_<secret>`. The whole of one is shown once, when it is made; then only its prefix."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import ApiKey
from errors import BadArguments, Conflict, NotFound
from runtime.ids import uuid7
from services import audit, networks, unique
from services.callers import KEY_MARK, SCOPES, digest

MOST_NAMES = 100  # queues or actors of a key
LONGEST_LIFE = timedelta(days=3660)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@ +-]{0,99}")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that look alike


@dataclass(frozen=True)
class NewKey:
    """A key as it is made: the only time that it is known."""

    row: ApiKey
    key: str


async def create(
    session: AsyncSession,
    who: str,
    name: str,
    scopes: Sequence[str],
    *,
    queues: Sequence[str] | None = None,
    actors: Sequence[str] | None = None,
    only_from: Sequence[str] = (),
    lives: timedelta | None = None,
) -> NewKey:
    """A new key, for some queues or actors or for all, accepted from some networks or from anywhere.

    Raises BadArguments or Conflict (the name is taken).
    """
    if not _NAME.fullmatch(name):
        raise BadArguments("A key's name has up to 100 letters, digits, spaces and . _ @ + -.", "name")
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    key = _new(prefix)
    row = ApiKey(
        id=uuid7(),
        name=name,
        prefix=prefix,
        key_hash=digest(key),
        scopes=_checked_scopes(scopes),
        queues=_checked_names(queues, "queues"),
        actors=_checked_names(actors, "actors"),
        networks=networks.checked(only_from, "networks"),
        created_by=who,
        expires_at=None if lives is None else func.now() + _checked_life(lives, "expires_in"),
    )
    session.add(row)
    reach = {"queues": row.queues, "actors": row.actors, "networks": row.networks}
    audit.note(session, who, "key.create", target=name, details={"scopes": row.scopes, **reach, "prefix": prefix})
    taken = f"There is a key {name!r} already. Rotate it, or choose another name."
    await unique.flush(session, "api_keys_name", taken)
    await session.refresh(row)
    return NewKey(row, key)


async def listed(session: AsyncSession) -> list[ApiKey]:
    """All, revoked ones too, by name."""
    return list(await session.scalars(select(ApiKey).order_by(ApiKey.name)))


async def get(session: AsyncSession, name: str) -> ApiKey:
    """One key. Raises NotFound."""
    row = await session.scalar(select(ApiKey).where(ApiKey.name == name))
    if row is None:
        raise NotFound(f"There is no key {name!r}. `callboard keys list` shows all.")
    return row


async def rotate(session: AsyncSession, who: str, name: str, grace: timedelta = timedelta(0)) -> NewKey:
    """A new secret under the same name and prefix; the old one still opens for `grace`. Raises Conflict if revoked."""
    row = await _locked(session, name)
    if row.revoked_at is not None:
        raise Conflict(f"The key {name!r} is revoked. Create another one.")
    if grace:
        row.previous_hash, row.previous_until = row.key_hash, func.now() + _checked_life(grace, "grace")
    else:
        row.previous_hash = row.previous_until = None
    key = _new(row.prefix)
    row.key_hash, row.changed_at = digest(key), func.now()
    audit.note(session, who, "key.rotate", target=name, details={"grace_seconds": grace.total_seconds()})
    await session.flush()
    await session.refresh(row)
    return NewKey(row, key)


async def revoke(session: AsyncSession, who: str, name: str) -> ApiKey:
    """For good, from the next request on."""
    row = await _locked(session, name)
    if row.revoked_at is None:
        row.revoked_at = row.changed_at = func.now()
        audit.note(session, who, "key.revoke", target=name)
        await session.flush()
        await session.refresh(row)
    return row


async def _locked(session: AsyncSession, name: str) -> ApiKey:
    row = await session.scalar(select(ApiKey).where(ApiKey.name == name).with_for_update())
    return row or await get(session, name)


def _new(prefix: str) -> str:
    return f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"


def _checked_scopes(scopes: Sequence[str]) -> list[str]:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        named = f"There is no scope {unknown[0]!r}." if unknown else "A key needs a scope."
        raise BadArguments(f"{named} Scopes: {', '.join(SCOPES)}.", "scopes")
    return [scope for scope in SCOPES if scope in scopes]


def _checked_names(names: Sequence[str] | None, path: str) -> list[str] | None:
    if names is None:
        return None
    if not 0 < len(names) <= MOST_NAMES or any(not 0 < len(name) <= 500 or "\0" in name for name in names):
        raise BadArguments(f"Name between 1 and {MOST_NAMES} {path}, or leave it out to allow all.", path)
    return sorted(set(names))


def _checked_life(lives: timedelta, path: str) -> timedelta:
    if not timedelta(0) < lives <= LONGEST_LIFE:
        raise BadArguments(f"{path} is not between a moment and {LONGEST_LIFE.days} days.", path)
    return lives
