"""Pausing queues and actors: nothing of them is started, on any worker, within a second. What runs goes on. A worker
process that is paused starts nothing itself.

In the caller's transaction, with a row in the audit. `who` is a user's name, an API key's, or "cli:<login name>".
"""

from typing import TYPE_CHECKING, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from db import pauses
from db.models import Pause
from errors import BadArguments, Conflict
from runtime.transport import CHANGED, CONTROL, WAKE, Notice
from services import audit
from services.control import check_reason

if TYPE_CHECKING:
    from runtime.outbox import Outbox

Kind = Literal["queue", "actor", "worker"]


async def pause(session: AsyncSession, kind: Kind, name: str, *, who: str, reason: str) -> None:
    """Start nothing of it from now on. Raises BadArguments (no reason), or Conflict if it is paused already."""
    check_reason(reason)
    if not reason.strip():
        raise BadArguments("Say why: the reason is what others read while they wait.", "reason")
    connection = await session.connection()
    if (await connection.exec_driver_sql(pauses.PAUSE, (kind, name, reason, who))).first() is None:
        found = await session.get(Pause, (kind, name))
        since = f", by {found.paused_by} since {found.paused_at:%Y-%m-%d %H:%M} UTC: {found.reason}" if found else ""
        raise Conflict(f"The {kind} {name!r} is paused already{since}. Resume it first to give another reason.")
    audit.note(session, who, f"{kind}.pause", target=name, reason=reason)
    _tell(session, "pause")


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
