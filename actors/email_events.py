"""Takes in what providers tell of mails that have left: their events, and what follows from them."""

from datetime import datetime
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
    async with current_job().database.connection() as connection, connection.transaction():
        row = await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps(events).decode())
        recorded = {tuple(key) for key in row["recorded"]}
        new = [event for event in events if (event["provider"], event["event_id"], event["recipient"]) in recorded]
        back, suppressed = _last_words(new)
        if back:
            await connection.execute(suppressions.RESUBSCRIBE, *map(list, zip(*back, strict=True)))
        if suppressed:
            await connection.execute(suppressions.ADD, orjson.dumps(suppressed).decode())
    return {"recorded": len(recorded), "mails": row["moved"]}


def _last_words(events: list[dict[str, Any]]) -> tuple[list[tuple[str, str, datetime]], list[dict[str, Any]]]:
    """Who is back, and who is to be suppressed, by what was said last of them."""
    back: dict[tuple[str, str], datetime] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for event in sorted(events, key=_occurred_at):
        recipient = event["recipient"]
        if event["type"] == "subscribed":
            back[recipient, event["provider"]] = _occurred_at(event)
            found.pop((recipient, "unsubscribe"), None)
        elif event["suppress"]:
            found[recipient, event["suppress"]] = event
    suppressed = [
        {
            "address": address,
            "reason": reason,
            "email_id": event["email_id"],
            "note": event["description"],
            "added_by": event["provider"],
            "since": event["occurred_at"],
            "seconds": BOUNCES_EXPIRE if reason == "hard_bounce" else None,
        }
        for (address, reason), event in sorted(found.items())  # in one order everywhere: no deadlock
    ]
    return [(*who, at) for who, at in sorted(back.items())], suppressed


def _occurred_at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


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
