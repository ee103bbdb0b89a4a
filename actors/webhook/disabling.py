"""Disables an endpoint, and says so: an event to the others, a mail to its owner."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from actors.email import send_email
from actors.webhook import routing
from db import webhooks
from runtime import enqueue as intake
from runtime.options import Options

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
    body = routing.encode_event(
        ENDPOINT_DISABLED, {"endpoint_id": str(endpoint_id), "url": endpoint.url, "reason": reason}
    )
    message = await routing.write_message(session, ENDPOINT_DISABLED, body)
    assert message is not None
    await routing.fan_out(session, message, ENDPOINT_DISABLED, but_not=endpoint_id)
    if endpoint.owner_email:
        await _write_to_owner(session, endpoint_id, endpoint.url, endpoint.owner_email, reason)
    return True


async def _write_to_owner(session: AsyncSession, endpoint_id: uuid.UUID, url: str, owner: str, reason: str) -> None:
    text = (
        f"Webhooks are not sent to this endpoint any more:\n\n    {url}\n\n{reason}\n\n"
        "Nothing is lost: what would have been sent is kept. Once the endpoint works again, have it enabled, and what "
        f"it missed sent again:\n\n    callboard webhooks endpoints enable {endpoint_id}\n"
        f"    callboard webhooks recover {endpoint_id} --since ...\n"
    )
    call = intake.bind(send_email, (), {"to": owner, "subject": "A webhook endpoint was disabled", "text": text})
    await intake.enqueue(session, Options(), call)
