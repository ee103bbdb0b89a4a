"""Signing in and out: sessions are rows, what the browser holds is a random token and opens only its own."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from db import accounts
from db.database import Database
from db.models import User, UserSession
from errors import TooMany, Unauthorized
from providers.oidc import Identity
from services import audit, users
from services.callers import digest
from settings import Settings

WINDOW = 900  # seconds in which attempts are counted


async def with_password(
    database: Database, session: AsyncSession, name: str, password: str, *, address: str, browser: str,
    settings: Settings,
) -> str:  # fmt: skip
    """The token of a new session. Raises Unauthorized, which does not say what was wrong, or TooMany."""
    name = name.strip().lower()[:100].replace("\0", "")
    await _admit(database, f"address:{address}", settings.sign_in_per_address)
    await _admit(database, f"name:{name}", settings.sign_in_per_name)
    user = await session.scalar(select(User).where(User.name == name))
    known = user.password_hash if user and user.disabled_at is None else None
    if not await users.matches(password[: users.LONGEST + 1], known) or user is None or known is None:
        raise Unauthorized("The name or the password is wrong.")
    if users.is_outdated(known):
        user.password_hash = await users.hashed(password)
    async with database.connection() as connection:
        await connection.execute(accounts.FORGIVE_NAME, f"name:{name}")
        await connection.execute(accounts.FORGIVE_ONE, f"address:{address}")
        await connection.execute(accounts.SWEEP_ATTEMPTS, float(WINDOW))
    return await open_session(session, user, address=address, browser=browser, hours=settings.session_hours)


async def with_identity(
    session: AsyncSession,
    identity: Identity,
    *,
    domains: Sequence[str],
    role: str,
    address: str,
    browser: str,
    hours: float,
) -> str:
    """The token of a new session for whom an identity provider vouches. Raises Unauthorized.

    It is the user who signed in so before; else the user who is called like the verified e-mail address and has not
    signed in so yet; else, if the address is of one of the `domains`, a new user in that role.
    """
    subject = f"{identity.issuer} {identity.subject}"
    user = await session.scalar(select(User).where(User.oidc_subject == subject))
    if user is None and identity.email is not None:
        user = await session.scalar(select(User).where(User.name == identity.email).with_for_update())
        if user is not None and user.oidc_subject is None:
            user.oidc_subject = subject
            audit.note(session, user.name, "user.link", target=user.name, details={"issuer": identity.issuer})
        elif user is not None:
            user = None  # the address is another person's now
        elif identity.email.rpartition("@")[2] in domains:
            user = await users.create(session, "oidc", identity.email, role, None, oidc_subject=subject)
    if user is None or user.disabled_at is not None:
        raise Unauthorized("You have no account here. Ask an administrator for one, named like your e-mail address.")
    return await open_session(session, user, address=address, browser=browser, hours=hours)


async def open_session(session: AsyncSession, user: User, *, address: str, browser: str, hours: float) -> str:
    """A new session of somebody who has shown who it is; its token."""
    token = secrets.token_urlsafe(32)
    connection = await session.connection()
    values = (digest(token), user.id, address, browser[:300].replace("\0", ""), hours * 3600)
    await connection.exec_driver_sql(accounts.OPEN_SESSION, values)
    await connection.exec_driver_sql(accounts.SWEEP_SESSIONS)
    await session.execute(update(User).where(User.id == user.id).values(last_login_at=func.now()))
    audit.note(session, user.name, "user.sign_in", target=user.name, details={"address": address})
    return token


async def close_session(session: AsyncSession, token: str) -> None:
    """Sign out of the browser that has this token."""
    found = await session.get(UserSession, digest(token))
    if found is not None:
        user = await session.get_one(User, found.user_id)
        await session.delete(found)
        audit.note(session, user.name, "user.sign_out", target=user.name)


async def _admit(database: Database, key: str, most: int) -> None:
    """Counted in a transaction of its own: the attempt counts whatever becomes of it."""
    async with database.connection() as connection:
        row = await connection.fetchrow(accounts.ATTEMPT, key, float(WINDOW))
    if row["attempts"] > most:
        minutes = max(1, round(row["again_in"] / 60))
        raise TooMany(f"Too many attempts to sign in. Try again in {minutes} min.", row["again_in"])
