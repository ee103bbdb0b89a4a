"""Keeps the tables of webhooks true and small."""

import dramatiq

from actors.webhook import routing
from db import webhooks
from runtime import cron, current_job
from settings import settings

_BATCH = 1_000  # messages a statement
_LOOK_BACK = 86_400.0  # seconds; jobs that ended without a word from their actor are looked for within
_DAY = 86_400


@dramatiq.actor(
    queue_name="maintenance", enqueued_by="operators", periodic=cron("*/5 * * * *"), max_retries=3, time_limit=3_600_000
)
async def tidy_webhooks() -> dict[str, int]:
    """End deliveries whose jobs somebody cancelled, so that an ordered endpoint goes on, and delete old messages."""
    job = current_job()
    async with job.database.connection() as connection:
        settled = await connection.fetch(webhooks.SETTLE_ENDED, _LOOK_BACK)
    for endpoint_id in {row["endpoint_id"] for row in settled if row["endpoint_id"] and row["ordered"]}:
        async with job.transaction(checkpoint=None) as session:
            await routing.hand_on(session, endpoint_id)
    return {"cancelled": len(settled), "deleted": await _delete_old(settings().webhook_retention_days * _DAY)}


async def _delete_old(seconds: float) -> int:
    total, batch = 0, _BATCH
    while batch == _BATCH:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(webhooks.DELETE_OLD, seconds, _BATCH)
        batch = int(status.split()[-1])
        total += batch
    return total
