"""Keeps the rows of e-mails true and few: those whose jobs ended without a word, retention, expired suppressions."""

import uuid

import dramatiq

from db import alerts, emails, suppressions
from runtime import cron, current_job
from settings import settings

BATCH = 2_000  # rows a statement
DAY = 86_400
ALERTS = 90 * DAY  # seconds for which is known what alerts there were
LOOK_BACK = 3_600  # seconds; jobs that ended before are found once an hour


@dramatiq.actor(
    queue_name="maintenance", enqueued_by="operators", periodic=cron("* * * * *"), max_retries=0, time_limit=60_000
)
async def settle_emails() -> int:
    """Say what became of mails whose jobs were cancelled, or lost their worker at their last attempt."""
    async with current_job().database.connection() as connection:
        return len(await connection.fetch(emails.SETTLE_ENDED, LOOK_BACK))


@dramatiq.actor(
    queue_name="maintenance", enqueued_by="operators", periodic=cron("37 * * * *"), max_retries=3, time_limit=3_600_000
)
async def cleanup_emails() -> dict[str, int]:
    """Settle the mails that nobody looked after; forget the words of old ones, later the mails themselves with their
    events, events of mails that are none of ours, and suppressions that are over."""
    done = {
        "settled": await _settle_left(),
        "forgotten": await _in_batches(emails.FORGET_CONTENT, settings().email_content_days * DAY),
        "deleted": await _in_batches(emails.DELETE_OLD, settings().email_retention_days * DAY)
        + await _in_batches(emails.DELETE_OLD_FAILED, settings().email_retention_failed_days * DAY),
        "events": await _in_batches(emails.DELETE_STRAY_EVENTS, settings().email_retention_days * DAY),
    }
    async with current_job().database.connection() as connection:
        await connection.execute(suppressions.DELETE_EXPIRED)
        await connection.execute(alerts.DELETE_OLD, ALERTS)
    current_job().log.info("cleaned up e-mails", **done)
    return done


async def _settle_left() -> int:
    total, looked, last = 0, BATCH, uuid.UUID(int=0)
    while looked == BATCH:
        async with current_job().database.connection() as connection:
            looked, last, settled = await connection.fetchrow(emails.SETTLE_LEFT, last, BATCH)
        total += settled
    return total


async def _in_batches(statement: str, seconds: float) -> int:
    total, batch = 0, BATCH
    while batch == BATCH:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(statement, seconds, BATCH)
        batch = int(status.split()[-1])  # "DELETE 2000"
        total += batch
    return total
