"""Disables an endpoint, and says so: an event to the others, a mail to its owner."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from actors.webhook import routing
from actors.webhook.telling import tell_others, write_to_owner
from db import webhooks

ENDPOINT_DISABLED = "webhook.endpoint.disabled"  # the event


async def disable(
    session: AsyncSession, endpoint_id: uuid.UUID, reason: str, *, if_failing_for: float | None = None
) -> bool:
    """Disable it in the caller's transaction, together with the event and the mail. False: it was already, or has
    worked within the last `if_failing_for` seconds.

    What is published while it is disabled is kept as skipped, and can be replayed.
    """
    rows = await routing.fetch(session, webhooks.DISABLE, endpoint_id, reason, if_failing_for)
    if not rows:
        return False
    [endpoint] = rows
    await tell_others(session, ENDPOINT_DISABLED, endpoint_id, {"url": endpoint.url, "reason": reason})
    if endpoint.owner_email:
        text = (
            f"Webhooks are not sent to this endpoint any more:\n\n    {endpoint.url}\n\n{reason}\n\n"
            "Nothing is lost: what would have been sent is kept. Once the endpoint works again, have it enabled, and "
            f"what it missed sent again:\n\n    callboard webhooks endpoints enable {endpoint_id}\n"
            f"    callboard webhooks recover {endpoint_id} --since ...\n"
        )
        await write_to_owner(session, endpoint.owner_email, "A webhook endpoint was disabled", text)
    return True
