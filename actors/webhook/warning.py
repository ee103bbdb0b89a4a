"""Warns of an endpoint that fails, before it is disabled: an event to the others, a mail to its owner.

Twice in an episode of nothing but failures: when a delivery has failed for the fourth time, and half-way to the end.
"""

import uuid

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from actors.webhook import routing
from actors.webhook.telling import tell_others, write_to_owner
from db import webhooks

ENDPOINT_FAILING = "webhook.endpoint.failing"  # the event
_FAILURES = 4  # of one delivery: it is no hiccup


def is_due(row: asyncpg.Record, failures: int, disabled_after: float) -> bool:
    """As far as was known at the claim: the statement decides."""
    half = disabled_after / 2
    failing_for, warned_for = row["failing_for"] or 0.0, row["warned_for"]
    if failing_for >= half:
        return warned_for is None or bool(warned_for > failing_for - half)
    return failures >= _FAILURES and warned_for is None


async def warn(session: AsyncSession, endpoint_id: uuid.UUID, said: str, disabled_after: float) -> bool:
    """Warn in the caller's transaction. False: it works again, is disabled, or was warned of. Seconds."""
    rows = await routing.fetch(session, webhooks.WARN, endpoint_id, disabled_after / 2, disabled_after)
    if not rows:
        return False
    [endpoint] = rows
    data = {"url": endpoint.url, "failing_since": endpoint.failing_since.isoformat(), "error": said}
    await tell_others(session, ENDPOINT_FAILING, endpoint_id, data)
    if endpoint.owner_email:
        text = (
            f"Webhooks do not get through to this endpoint:\n\n    {endpoint.url}\n\n"
            f"Nothing but failures since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC. The last one: {said}\n\n"
            "They are tried again. If nothing gets through, the endpoint is disabled after "
            f"{endpoint.end_at:%Y-%m-%d %H:%M} UTC; what would have been sent from then on is kept.\n"
        )
        await write_to_owner(session, endpoint.owner_email, "A webhook endpoint fails", text)
    return True
