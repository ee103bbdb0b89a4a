"""Pausing queues and actors: nothing of them is started, on any worker, within a second. What runs goes on. A worker
process that is paused starts nothing itself. A pause lasts until it is resumed, or to a moment by the database's clock.

In the caller's transaction, with a row in the audit. `who` is a user's name, an API key's, or "cli:<login name>".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from db import pauses
from errors import BadArguments, Conflict
from runtime.transport import CHANGED, CONTROL, WAKE, Notice
from services import audit
from services.control import check_reason

if TYPE_CHECKING:
    from runtime.outbox import Outbox

Kind = Literal["queue", "actor", "worker"]

_LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Span:
    """How long a pause is to last: until a moment, with its offset, or for some time; with neither until it is
    resumed. Raises BadArguments."""

    until: datetime | None = None
    lasts: timedelta | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.lasts is not None:
            raise BadArguments("Say either until when, or for how long.", "until")
        if self.lasts is not None and not timedelta(0) < self.lasts <= _LONGEST:
            raise BadArguments("A pause lasts for some time, and for a year at most.", "lasts")


FOREVER = Span()


async def pause(
    session: AsyncSession, kind: Kind, name: str, *, who: str, reason: str, span: Span = FOREVER
) -> datetime | None:
    """Start nothing of it from now on. Returns when that ends by itself, if it does. Raises BadArguments (no reason, a
    moment that is over), or Conflict if it is paused already."""
    check_reason(reason)
    if not reason.strip():
        raise BadArguments("Say why: the reason is what others read while they wait.", "reason")
    connection = await session.connection()
    seconds = span.lasts.total_seconds() if span.lasts else None
    made = await connection.exec_driver_sql(pauses.PAUSE, (kind, name, reason, who, span.until, seconds))
    row = made.first()
    if row is None:
        found = (await connection.exec_driver_sql(pauses.FIND, (kind, name))).first()
        if found is None:
            raise BadArguments("This moment is over already.", "until")
        since = f"by {found.paused_by} since {found.paused_at:%Y-%m-%d %H:%M} UTC: {found.reason}"
        raise Conflict(f"The {kind} {name!r} is paused already, {since}. Resume it first to pause it otherwise.")
    until: datetime | None = row.until
    details = {"until": until.isoformat()} if until else None
    audit.note(session, who, f"{kind}.pause", target=name, reason=reason, details=details)
    _tell(session, "pause")
    return until


async def resume(session: AsyncSession, kind: Kind, name: str, *, who: str, reason: str | None = None) -> None:
    """Start its jobs again. Raises Conflict if it is not paused."""
    check_reason(reason)
    connection = await session.connection()
    if (await connection.exec_driver_sql(pauses.RESUME, (kind, name))).first() is None:
        raise Conflict(f"The {kind} {name!r} is not paused.")
    audit.note(session, who, f"{kind}.resume", target=name, reason=reason)
    _tell(session, "resume")


def _tell(session: AsyncSession, what: str) -> None:
    """After the commit. Without an outbox all look by themselves, every second."""
    outbox: Outbox | None = session.info.get("outbox")
    if outbox is not None:
        outbox.post(session, [Notice(CONTROL, what), Notice(WAKE, what), Notice(CHANGED, "queues")])
