"""Who is signed in where, and ending that."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import User, UserSession
from errors import NotFound
from services import audit
from services.callers import digest

MOST = 500


@dataclass(frozen=True)
class OpenSession:
    """A browser in which somebody is signed in. `id` names it; it opens nothing."""

    id: str
    user: str
    address: str | None
    browser: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def id_of(token: str) -> str:
    """The id of the session that this token opens."""
    return digest(token).hex()


async def listed(session: AsyncSession, user_id: uuid.UUID | None = None) -> list[OpenSession]:
    """Those that have not ended, of everybody or of one person, the last used first; 500 of them."""
    statement = (
        select(UserSession, User.name)
        .join(User, User.id == UserSession.user_id)
        .where(UserSession.expires_at > func.now())
        .order_by(UserSession.seen_at.desc())
        .limit(MOST)
    )
    if user_id is not None:
        statement = statement.where(UserSession.user_id == user_id)
    return [
        OpenSession(
            row.token_hash.hex(), name, row.address, row.browser, row.created_at, row.seen_at, row.expires_at
        )
        for row, name in await session.execute(statement)
    ]  # fmt: skip


async def end(session: AsyncSession, who: str, session_id: str) -> str:
    """Sign a person out of that browser; whom. Raises NotFound."""
    found = None
    if re.fullmatch("[0-9a-f]{64}", session_id):
        found = await session.get(UserSession, bytes.fromhex(session_id))
    if found is None:
        raise NotFound("There is no such session: it has ended already.")
    user = await session.get_one(User, found.user_id)
    await session.delete(found)
    audit.note(session, who, "user.end_session", target=user.name, details={"address": found.address})
    return user.name
