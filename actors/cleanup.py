"""Deletes what is past its retention, and ends what has gone silent."""

import dramatiq

from db import housekeeping, jobs, workflows
from db.jobs import Outcome
from errors import BadArguments
from runtime import cron, current_job
from settings import settings

BATCH = 2_000  # rows a statement: enough to get on, few enough to leave concurrent inserts undisturbed
WORKFLOWS = 100  # a statement: each takes its steps and items along
DAY = 86_400


@dramatiq.actor(
    queue_name="maintenance", enqueued_by="operators", periodic=cron("17 * * * *"), max_retries=3, time_limit=3_600_000
)
async def cleanup_completed_jobs(retention_days: float | None = None) -> dict[str, int]:
    """Delete jobs that ended longer ago than their retention, failed ones kept longest, and workflows likewise. Returns
    how many of each. `retention_days` is of those that succeeded; RETENTION_SUCCEEDED_DAYS (7) if not given."""
    given = None if retention_days is None else _seconds(retention_days, DAY, "retention_days")
    keep = {
        Outcome.SUCCEEDED: settings().retention_succeeded_days * DAY if given is None else given,
        Outcome.CANCELLED: settings().retention_cancelled_days * DAY,
        Outcome.FAILED: settings().retention_failed_days * DAY,
    }
    deleted = {outcome.name.lower(): await _delete(outcome, seconds) for outcome, seconds in keep.items()}
    deleted["workflows"] = await _delete_workflows(*keep.values())
    current_job().log.info("deleted ended jobs", **deleted)
    return deleted


async def _delete(outcome: Outcome, seconds: float) -> int:
    return await _in_batches(jobs.DELETE_ENDED, int(outcome), seconds)


async def _delete_workflows(succeeded: float, cancelled: float, failed: float) -> int:
    return await _in_batches(workflows.DELETE_ENDED, succeeded, cancelled, failed, size=WORKFLOWS)


@dramatiq.actor(queue_name="maintenance", enqueued_by="operators", max_retries=3, time_limit=3_600_000)
async def cleanup_expired_tokens(retention_days: float = 7) -> int:
    """Delete tokens that expired, or were revoked, more than so many days ago. Returns how many."""
    deleted = await _in_batches(housekeeping.DELETE_TOKENS, _seconds(retention_days, DAY, "retention_days"))
    current_job().log.info("deleted expired tokens", deleted=deleted)
    return deleted


@dramatiq.actor(queue_name="maintenance", enqueued_by="operators", max_retries=0, time_limit=60_000)
async def cleanup_stale_desktop_sessions(timeout_minutes: float = 2) -> int:
    """Mark desktop sessions as inactive of which nothing was heard for so many minutes. Returns how many."""
    ended = await _in_batches(housekeeping.END_SESSIONS, _seconds(timeout_minutes, 60, "timeout_minutes"))
    if ended:
        current_job().log.info("ended stale desktop sessions", ended=ended)
    return ended


@dramatiq.actor(queue_name="maintenance", enqueued_by="operators", max_retries=0, time_limit=60_000)
async def cleanup_stale_deployment_jobs() -> dict[str, int]:
    """Mark deployments as failed, with a reason, that were not started within DEPLOYMENT_START_TIMEOUT, or run and have
    said nothing for DEPLOYMENT_TIMEOUT. Returns how many of each."""
    timeouts = {"pending": settings().deployment_start_timeout, "running": settings().deployment_timeout}
    failed = {
        status: await _in_batches(housekeeping.FAIL_DEPLOYMENTS, status, timeout)
        for status, timeout in timeouts.items()
    }
    if any(failed.values()):
        current_job().log.warning("failed stale deployments", **failed)
    return failed


def _seconds(number: float, unit: float, name: str) -> float:
    """A time of 0 or less would take what is in use."""
    if not 0 < number <= 36_500:
        raise BadArguments(f"{name} is {number}: it must be more than 0, and at most 36,500.", name)
    return number * unit


async def _in_batches(statement: str, *values: object, size: int = BATCH) -> int:
    """Run a statement, whose last parameter is how many rows it takes at most, until there are no more."""
    total, batch = 0, size
    while batch == size:
        async with current_job().database.connection() as connection:
            status: str = await connection.execute(statement, *values, size)
        batch = int(status.split()[-1])  # "DELETE 2000"
        total += batch
    return total
