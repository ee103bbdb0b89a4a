"""Keeps the tables of webhooks true and small."""

import uuid

import dramatiq

from actors.webhook import routing
from db import webhooks
from runtime import cron, current_job, verbs
from runtime.verbs import Verb
from settings import settings

_BATCH = 1_000  # messages, or deliveries, a statement
_DAY = 86_400


@dramatiq.actor(
    queue_name="maintenance", enqueued_by="operators", periodic=cron("*/5 * * * *"), max_retries=3, time_limit=3_600_000
)
async def tidy_webhooks() -> dict[str, int]:
    """Delete what deleted endpoints have left, end deliveries whose jobs were cancelled or deleted, have ordered
    endpoints that stand still go on, and delete old messages."""
    job = current_job()
    erased = await _erase_endpoints()
    async with job.database.connection() as connection:
        settled = await connection.fetch(webhooks.SETTLE_ENDED)
        standing = await connection.fetch(webhooks.STANDING_STILL)
    for row in standing:
        async with job.transaction(checkpoint=None) as session:
            await routing.hand_on(session, row["id"])
    deleted = await _delete_old(
        settings().webhook_retention_days * _DAY, settings().webhook_retention_failed_days * _DAY
    )
    return {"cancelled": len(settled), "deleted": deleted, "erased": erased}


async def _erase_endpoints() -> int:
    """Cancel and delete the deliveries of deleted endpoints, so many in a transaction. Returns how many there were."""
    async with current_job().database.connection() as connection:
        deleted = await connection.fetch(webhooks.DELETED_ENDPOINTS)
    total = 0
    for endpoint in deleted:
        while batch := await _erase_some(endpoint["id"]):
            total += batch
        async with current_job().database.connection() as connection:
            await connection.execute(webhooks.FORGET_ENDPOINT, endpoint["id"])
    return total


async def _erase_some(endpoint: uuid.UUID) -> int:
    async with current_job().transaction(checkpoint=None) as session:
        rows = await routing.fetch(session, webhooks.DELETE_DELIVERIES, endpoint, _BATCH)
        carrying = [row.job_id for row in rows if row.job_id is not None]
        reason = f"Its endpoint {endpoint} was deleted."
        await verbs.do(session, Verb.CANCEL, carrying, who="callboard", reason=reason)
    return len(rows)


async def _delete_old(seconds: float, seconds_of_failed: float) -> int:
    total, batch = 0, _BATCH
    while batch == _BATCH:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(webhooks.DELETE_OLD, seconds, seconds_of_failed, _BATCH)
        batch = int(status.split()[-1])
        total += batch
    return total
