"""Takes in what providers tell of mails that have left: their events, and what follows from them."""

from typing import Any

import dramatiq
import orjson

from db import emails, suppressions
from errors import NotSent, Rejected
from providers import http
from providers.email.events import BOUNCES_EXPIRE
from providers.email.sns import DEADLINE
from runtime import current_job
from settings import settings


@dramatiq.actor(queue_name="email-events", max_retries=10, min_backoff=1_000, time_limit=60_000, enqueued_by="services")
async def record_email_events(events: list[dict[str, Any]]) -> dict[str, int]:
    """Write down events (providers/email/events.py), move their mails on, and put on the suppression list whoever
    bounced for good, complained or left. Events that were written before change nothing, however often they come."""
    back = [event["recipient"] for event in events if event["type"] == "subscribed"]
    async with current_job().database.connection() as connection, connection.transaction():
        row = await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps(events).decode())
        await connection.execute(suppressions.ADD, orjson.dumps(_to_suppress(events)).decode())
        if back:
            await connection.execute(suppressions.RESUBSCRIBE, back)
    return {"recorded": row["recorded"], "mails": row["moved"]}


def _to_suppress(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = {(event["recipient"], event["suppress"]): event for event in events if event["suppress"]}
    return [
        {
            "address": address,
            "reason": reason,
            "email_id": event["email_id"],
            "note": event["description"],
            "added_by": event["provider"],
            "seconds": BOUNCES_EXPIRE if reason == "hard_bounce" else None,
        }
        for (address, reason), event in sorted(found.items())  # in one order everywhere: no deadlock
    ]


@dramatiq.actor(
    queue_name="email-events",
    max_retries=5,
    min_backoff=5_000,
    time_limit=60_000,
    throws=(Rejected,),
    enqueued_by="services",
)
async def confirm_ses_topic(url: str) -> int:
    """Visit the address by which SNS begins to send; it was checked to lead to SNS before this job was made."""
    response = await http.client(settings()).request("GET", url, deadline=DEADLINE)
    if response.status >= 500 or response.status == 429:
        raise NotSent(f"SNS said {response.status}.")
    if not response.is_success:
        raise Rejected(f"SNS said {response.status}: the confirmation is too old. Ask SNS for a new one.")
    return response.status
