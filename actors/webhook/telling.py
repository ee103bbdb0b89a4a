"""Says what has become of an endpoint: an event to the others, a mail to its owner."""

import uuid
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from actors.email import send_email
from actors.webhook import routing
from runtime import enqueue as intake
from runtime.options import Options


async def tell_others(session: AsyncSession, event_type: str, endpoint_id: uuid.UUID, data: dict[str, Any]) -> None:
    body = routing.encode_event(event_type, {"endpoint_id": str(endpoint_id), **data})
    message = await routing.write_message(session, event_type, body)
    assert message is not None
    await routing.fan_out(session, message, event_type, but_not=endpoint_id)


async def write_to_owner(session: AsyncSession, owner: str, subject: str, text: str) -> None:
    call = intake.bind(send_email, (), {"to": owner, "subject": subject, "text": text})
    await intake.enqueue(session, Options(), call)
