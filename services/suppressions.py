"""The suppression list: addresses that get no mail."""

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db import suppressions
from db.models import Suppression
from errors import BadArguments, NotFound
from providers.email.address import read_address, read_line
from providers.email.unsubscribe import Leaving
from services import audit

REASONS = ("hard_bounce", "complaint", "unsubscribe", "manual")


async def add(
    session: AsyncSession, address: str, who: str, *, mailing_list: str | None = None, note: str | None = None
) -> None:
    """Nothing is sent to this address any more; with `mailing_list`, nothing of that list. Raises BadArguments."""
    row = {
        "address": read_address(address, "address").addr_spec,
        "reason": "manual" if mailing_list is None else "unsubscribe",
        "mailing_list": None if mailing_list is None else read_line(mailing_list, "mailing_list"),
        "note": None if note is None else read_line(note, "note"),
        "added_by": who,
    }
    connection = await session.connection()
    await connection.exec_driver_sql(suppressions.ADD, (orjson.dumps([row]).decode(),))
    audit.note(session, who, "suppression.add", target=row["address"], reason=note)


async def remove(session: AsyncSession, address: str, who: str, *, reason: str | None = None) -> list[str]:
    """Mail is sent to it again: the entries of that reason, or all of them, are removed. Returns their reasons.
    Raises NotFound."""
    if reason is not None:
        _check_reason(reason)
    connection = await session.connection()
    removed = await connection.exec_driver_sql(suppressions.REMOVE, (address, reason))
    reasons = [row[0] for row in removed]
    if not reasons:
        raise NotFound(f"{address} is not on the suppression list.")
    audit.note(session, who, "suppression.remove", target=address.lower(), details={"reasons": reasons})
    return reasons


async def leave(session: AsyncSession, leaving: Leaving) -> None:
    """A reader leaves a mailing list; leaving it twice changes nothing."""
    row = {
        "address": leaving.address,
        "reason": "unsubscribe",
        "mailing_list": leaving.mailing_list,
        "email_id": str(leaving.email_id),
        "added_by": "reader",
    }
    connection = await session.connection()
    await connection.exec_driver_sql(suppressions.ADD, (orjson.dumps([row]).decode(),))


async def listed(
    session: AsyncSession, limit: int = 100, *, address: str | None = None, reason: str | None = None
) -> list[Suppression]:
    """The newest entries first. Raises BadArguments for a reason that there is not."""
    if reason is not None:
        _check_reason(reason)
    statement = select(Suppression).order_by(Suppression.created_at.desc(), Suppression.address.desc()).limit(limit)
    if address is not None:
        statement = statement.where(Suppression.address == address.lower())
    if reason is not None:
        statement = statement.where(Suppression.reason == reason)
    return list(await session.scalars(statement))


def _check_reason(reason: str) -> None:
    if reason not in REASONS:
        raise BadArguments(f"There is no reason {reason!r}; there are: {', '.join(REASONS)}.", "reason")
