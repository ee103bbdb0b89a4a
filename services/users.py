"""People: their names, roles and passwords. Every change is in the audit, and ends their sessions where it must."""

import asyncio
import re
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import User, UserSession
from errors import BadArguments, Conflict, NotFound
from runtime.ids import uuid7
from services import audit, unique
from services.callers import ROLES, Role

SHORTEST, LONGEST = 12, 256  # characters of a password
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")

_hasher = PasswordHasher()
# An argon2 hash takes 64 MiB and a core for a moment: two at a time, whoever asks.
_at_a_time = asyncio.Semaphore(2)


async def create(
    session: AsyncSession, who: str, name: str, role: str, password: str | None, oidc_subject: str | None = None
) -> User:
    """A new person. Raises BadArguments (name, role, password) or Conflict (the name is taken)."""
    name = checked_name(name)
    user = User(
        id=uuid7(),
        name=name,
        role=_checked_role(role),
        password_hash=None if password is None else await hashed(password),
        oidc_subject=oidc_subject,
    )
    session.add(user)
    audit.note(session, who, "user.create", target=name, details={"role": role})
    taken = f"There is a user {name!r} already. Set its role or password, or choose another name."
    await unique.flush(session, "users_name", taken)
    return user


async def listed(session: AsyncSession) -> list[User]:
    """Everybody, by name."""
    return list(await session.scalars(select(User).order_by(User.name)))


async def get(session: AsyncSession, name: str) -> User:
    """One person. Raises NotFound."""
    user = await session.scalar(select(User).where(User.name == name.strip().lower()))
    if user is None:
        raise NotFound(f"There is no user {name!r}. `callboard users list` shows all.")
    return user


async def set_role(session: AsyncSession, who: str, name: str, role: str) -> User:
    """From the next request on. Raises Conflict for the last administrator."""
    if _checked_role(role) != "admin":
        await _keep_an_admin(session, name)
    user = await _locked(session, name)
    before, user.role = user.role, role
    user.changed_at = func.now()
    audit.note(session, who, "user.set_role", target=user.name, details={"before": before, "after": role})
    await session.flush()
    return user


async def set_password(session: AsyncSession, who: str, name: str, password: str) -> User:
    """And sign the person out everywhere."""
    user = await _locked(session, name)
    user.password_hash, user.changed_at = await hashed(password), func.now()
    await _sign_out(session, user)
    audit.note(session, who, "user.set_password", target=user.name)
    await session.flush()
    return user


async def disable(session: AsyncSession, who: str, name: str) -> User:
    """Shut the person out, signed in or not, from the next request on. Raises Conflict for the last administrator."""
    await _keep_an_admin(session, name)
    user = await _locked(session, name)
    if user.disabled_at is None:
        user.disabled_at = user.changed_at = func.now()
        await _sign_out(session, user)
        audit.note(session, who, "user.disable", target=user.name)
        await session.flush()
    return user


async def enable(session: AsyncSession, who: str, name: str) -> User:
    """Let the person in again."""
    user = await _locked(session, name)
    if user.disabled_at is not None:
        user.disabled_at, user.changed_at = None, func.now()
        audit.note(session, who, "user.enable", target=user.name)
        await session.flush()
    return user


async def sign_out_everywhere(session: AsyncSession, who: str, name: str) -> int:
    """End all sessions of a person; how many there were."""
    user = await _locked(session, name)
    ended = await _sign_out(session, user)
    audit.note(session, who, "user.sign_out", target=user.name, details={"sessions": ended})
    return ended


def checked_name(name: str) -> str:
    """A name as it is kept: in small letters. Raises BadArguments."""
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadArguments(
            "A user's name has up to 100 letters, digits and . _ @ + -, and starts with a letter or a digit.", "name"
        )
    return name


async def hashed(password: str) -> str:
    """Its argon2 hash. Raises BadArguments for one that is too short to be worth it."""
    if not SHORTEST <= len(password) <= LONGEST or "\0" in password:
        raise BadArguments(f"A password has between {SHORTEST} and {LONGEST} characters. Use a phrase.", "password")
    async with _at_a_time:
        return await asyncio.to_thread(_hasher.hash, _bytes(password))


async def matches(password: str, known: str | None) -> bool:
    """Whether it is the password of this hash. Without one it takes as long, so that the time tells nothing."""
    async with _at_a_time:
        right = await asyncio.to_thread(_verify, known or _nobodys(), password)
    return right and known is not None


def is_outdated(known: str) -> bool:
    """Whether the hash was made with less effort than is asked for today."""
    return _hasher.check_needs_rehash(known)


def _verify(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    """Half a surrogate pair is no reason to fail."""
    return password.encode(errors="surrogatepass")


def _checked_role(role: str) -> Role:
    for known in ROLES:
        if known == role:
            return known
    raise BadArguments(f"There is no role {role!r}. Roles: {', '.join(ROLES)}.", "role")


async def _locked(session: AsyncSession, name: str) -> User:
    user = await session.scalar(select(User).where(User.name == name.strip().lower()).with_for_update())
    return user or await get(session, name)


async def _keep_an_admin(session: AsyncSession, name: str) -> None:
    """Nobody may shut the door on everybody. All administrators are locked: two cannot remove each other at once."""
    statement = select(User.name).where(User.role == "admin", User.disabled_at.is_(None)).order_by(User.id)
    admins = list(await session.scalars(statement.with_for_update()))
    if admins == [name.strip().lower()]:
        raise Conflict(f"{name} is the last administrator. Make another one first.")


async def _sign_out(session: AsyncSession, user: User) -> int:
    ended = delete(UserSession).where(UserSession.user_id == user.id).returning(UserSession.token_hash)
    return len((await session.scalars(ended)).all())


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody has this password")
