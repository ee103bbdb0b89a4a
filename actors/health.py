"""Looks each minute at how things are: workers, queues, scheduling, database, Redis.

What it finds is a row in `health_checks`. The scheduler tells people of each change (scheduling/health.py), and of
checks that have stopped coming: this actor needs a worker and a clock to run at all.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
import dramatiq
import orjson
import redis.asyncio
from redis.exceptions import RedisError

from db import health, pauses, workers
from runtime import cron, current_job
from settings import Settings, settings

Status = Literal["healthy", "warning", "critical"]

KEEP = 30 * 86_400.0  # seconds
_LOOKED_AT = 1_000  # live jobs of a queue: those due longest are among the first
_AT_ONCE = 2_000  # rows of old checks
_FULL = 0.9  # of the connections, or of the memory, that there are


@dataclass
class Findings:
    """What is wrong, and what was measured. Ages and latencies are seconds."""

    critical: list[str] = field(default_factory=list)
    warning: list[str] = field(default_factory=list)
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        return "critical" if self.critical else "warning" if self.warning else "healthy"

    @property
    def reasons(self) -> list[str]:
        return self.critical + self.warning


@dramatiq.actor(
    queue_name="maintenance",
    enqueued_by="operators",
    periodic=cron("* * * * *"),
    misfire="skip",
    max_retries=0,
    time_limit=50_000,
)
async def health_check() -> dict[str, Any]:
    """Look at workers, queues, scheduling, database and Redis, and write down what was found. Returns `status`, which
    is healthy, warning or critical, the `reasons`, and what was measured."""
    findings = Findings()
    async with current_job().database.connection() as connection:
        await _look_at_database(connection, findings, settings())
        await _look_at_work(connection, findings, settings())
    await _look_at_redis(findings, settings())
    reasons, measures = (orjson.dumps(part).decode() for part in (findings.reasons, findings.measures))
    async with current_job().database.connection() as connection:
        recorded = await connection.fetchrow(health.RECORD, findings.status, reasons, measures)
        await connection.execute(health.DELETE_OLD, KEEP, _AT_ONCE)
    if recorded["previous"]:
        current_job().log.warning("health has changed", before=recorded["previous"], now=findings.status)
    return {"status": findings.status, "reasons": findings.reasons, "measures": findings.measures}


async def _look_at_database(connection: asyncpg.Connection, findings: Findings, settings: Settings) -> None:
    asked = time.perf_counter()
    await connection.fetchval("select 1")
    _note_latency(findings, "PostgreSQL", time.perf_counter() - asked, settings.health_latency)
    measured = await connection.fetchrow(health.MEASURE)
    findings.measures["connections"] = measured["connections"]
    if measured["connections"] > _FULL * measured["most_connections"]:
        findings.warning.append(
            f"PostgreSQL has {measured['connections']} of {measured['most_connections']} connections in use."
        )
    if not measured["leads"]:
        findings.critical.append(
            "No scheduler leads: schedules do not run, and nobody rescues the jobs of dead workers. "
            "Start `python -m scheduling`."
        )


async def _look_at_work(connection: asyncpg.Connection, findings: Findings, settings: Settings) -> None:
    living = await connection.fetch(workers.LIVING, _LOOKED_AT)
    silent = [worker for worker in living if worker["silence"] > settings.worker_lease]
    served = {queue for worker in living if worker not in silent for queue in worker["queues"]}
    findings.measures["workers"] = len(living) - len(silent)
    if silent:
        names = ", ".join(f"{worker['host']}:{worker['pid']}" for worker in silent)
        findings.warning.append(f"Workers without a sign of life: {names}.")
    queues = await connection.fetch(pauses.QUEUES, [], _LOOKED_AT, None)
    findings.measures["queues"] = {queue["name"]: round(queue["oldest"] or 0.0, 1) for queue in queues}
    judge_queues(queues, served, findings, settings)


def judge_queues(queues: Sequence[Any], served: set[str], findings: Findings, settings: Settings) -> None:
    """A paused queue waits because somebody wants it to."""
    for queue in queues:
        waited = queue["oldest"] or 0.0
        if queue["paused_at"] is not None or waited <= settings.health_wait_warning:
            continue
        grave = waited > settings.health_wait_critical or queue["name"] not in served
        nobody = "" if queue["name"] in served else ", and no worker takes any from it"
        (findings.critical if grave else findings.warning).append(
            f"A job of the queue {queue['name']!r} has been due for {waited:.0f} s{nobody}."
        )


async def _look_at_redis(findings: Findings, settings: Settings) -> None:
    asked = time.perf_counter()
    try:
        async with asyncio.timeout(10), redis.asyncio.Redis.from_url(settings.redis, socket_timeout=5) as client:
            await client.ping()
            _note_latency(findings, "Redis", time.perf_counter() - asked, settings.health_latency)
            memory = await client.info("memory")
    except (RedisError, OSError) as error:
        findings.critical.append(f"Redis does not answer: {error}")
        return
    used, most = memory["used_memory"], memory["maxmemory"]
    findings.measures["redis_memory"] = used
    if most and used > _FULL * most:
        findings.warning.append(f"Redis uses {used:,} of {most:,} bytes of memory.")
    if most and memory["maxmemory_policy"] != "noeviction":
        findings.warning.append(
            f"Redis throws messages away when it is full (maxmemory-policy {memory['maxmemory_policy']}): "
            "set it to noeviction."
        )


def _note_latency(findings: Findings, server: str, seconds: float, most: float) -> None:
    findings.measures[f"{server.lower()}_latency"] = round(seconds, 4)
    if seconds > most:
        findings.warning.append(f"{server} took {seconds:.2f} s to say that it is there.")
