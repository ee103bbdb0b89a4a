"""Deletes what is past its retention."""

import dramatiq

from db import jobs, workflows
from db.jobs import Outcome
from runtime import cron, current_job
from settings import settings

BATCH = 2_000  # rows a statement: enough to get on, few enough to leave concurrent inserts undisturbed
WORKFLOWS = 100  # a statement: each takes its steps and items along
DAY = 86_400


@dramatiq.actor(queue_name="maintenance", periodic=cron("17 * * * *"), max_retries=3, time_limit=3_600_000)
async def cleanup_completed_jobs() -> dict[str, int]:
    """Delete jobs that ended longer ago than their retention, failed ones kept longest, and workflows likewise. Returns
    how many of each."""
    keep = {
        Outcome.SUCCEEDED: settings().retention_succeeded_days,
        Outcome.CANCELLED: settings().retention_cancelled_days,
        Outcome.FAILED: settings().retention_failed_days,
    }
    deleted = {outcome.name.lower(): await _delete(outcome, days * DAY) for outcome, days in keep.items()}
    deleted["workflows"] = await _delete_workflows(*(days * DAY for days in keep.values()))
    current_job().log.info("deleted ended jobs", **deleted)
    return deleted


async def _delete(outcome: Outcome, seconds: float) -> int:
    total, batch = 0, BATCH
    while batch == BATCH:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(jobs.DELETE_ENDED, int(outcome), seconds, BATCH)
        batch = int(status.split()[-1])  # "DELETE 2000"
        total += batch
    return total


async def _delete_workflows(succeeded: float, cancelled: float, failed: float) -> int:
    total, batch = 0, WORKFLOWS
    while batch == WORKFLOWS:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(workflows.DELETE_ENDED, succeeded, cancelled, failed, WORKFLOWS)
        batch = int(status.split()[-1])
        total += batch
    return total
