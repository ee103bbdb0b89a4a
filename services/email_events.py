"""What comes in about e-mails: events, confirmations, and readers who leave a list."""

from collections.abc import Iterator, Sequence

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from actors.email_events import confirm_ses_topic, record_email_events
from providers.email.events import Event
from services import jobs

_MOST_BYTES = 200 * 1024  # of JSON in one job


async def record(session: AsyncSession, events: Sequence[Event]) -> int:
    """Enqueue the recording of these events; returns in how many jobs."""
    calls = [jobs.call(record_email_events, batch) for batch in _batches(events)]
    await jobs.enqueue_many(session, calls)
    return len(calls)


async def confirm_topic(session: AsyncSession, url: str) -> None:
    """Enqueue the visit that begins an SNS subscription."""
    await jobs.enqueue(session, confirm_ses_topic, url)


def _batches(events: Sequence[Event]) -> Iterator[list[dict[str, object]]]:
    batch: list[dict[str, object]] = []
    size = 0
    for event in events:
        item = event.as_json()
        length = len(orjson.dumps(item))
        if batch and size + length > _MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch
