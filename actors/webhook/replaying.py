"""Sends again what was not delivered, as a job: so many a second, going on where it was when a worker dies."""

import uuid
from datetime import datetime
from typing import Any

import dramatiq

from actors.webhook import routing
from db import webhooks
from runtime import current_job

FAILED = ["exhausted", "gone", "aborted", "skipped", "cancelled"]  # the outcomes of deliveries that did not succeed
_BATCH = 100
_START = uuid.UUID(int=0)


@dramatiq.actor(queue_name="webhooks", max_retries=20, time_limit=600_000, enqueued_by="services")
async def replay_webhooks(
    *,
    rate: float,
    outcomes: list[str] | None = None,
    endpoint: str | None = None,
    since: str | None = None,
    until: str | None = None,
    event_types: list[str] | None = None,
) -> dict[str, int]:
    """Make a new delivery of every one that matches, oldest first, `rate` a second. Returns how many.

    Of several deliveries of a message to an endpoint the newest counts; what was made after this job is left alone.
    Between two batches the job waits without a place on a worker; it can be paused and cancelled there.
    """
    job = current_job()
    kept = job.resumed_from or {"after": str(_START), "replayed": 0}
    batch = max(1, min(_BATCH, int(rate)))
    filters: tuple[Any, ...] = (
        uuid.UUID(endpoint) if endpoint else None, outcomes or FAILED, _time(since), _time(until), event_types
    )  # fmt: skip
    async with job.database.connection() as connection:
        rows = await connection.fetch(webhooks.TO_REPLAY, uuid.UUID(kept["after"]), *filters, job.id, batch)
    if not rows:
        return {"replayed": kept["replayed"]}
    done = {"after": str(rows[-1]["id"]), "replayed": kept["replayed"] + len(rows)}
    async with job.transaction(checkpoint=done) as session:
        await routing.write_deliveries(session, [routing.again(row) for row in rows])
    if len(rows) < batch:
        return {"replayed": done["replayed"]}
    raise job.Snooze(batch / rate)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
