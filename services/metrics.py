"""Figures for Prometheus, read in four short statements."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db import metrics
from db.database import Database
from db.jobs import Outcome

MOST = 100_000  # live jobs that are counted


class _Read(Collector):
    """What was read, as metrics."""

    def __init__(self, live: list[Any], ended: list[Any], workers: Any, leader: Any) -> None:
        self._live, self._ended, self._workers, self._leader = live, ended, workers, leader

    def collect(self) -> Iterator[Metric]:
        yield from self._of_live_jobs()
        ended = GaugeMetricFamily(
            "callboard_jobs_ended_last_hour",
            "Jobs that ended within the last sixty whole minutes.",
            labels=["queue", "actor", "outcome"],
        )
        for row in self._ended:
            ended.add_metric([row["queue"], row["actor"], Outcome(row["outcome"]).name.lower()], row["jobs"])
        yield ended
        yield GaugeMetricFamily("callboard_workers", "Worker processes that live.", self._workers["workers"])
        yield GaugeMetricFamily(
            "callboard_worker_slots", "Jobs that all workers together can run at once.", self._workers["slots"]
        )
        leads = bool(self._leader and self._leader["leads"])
        yield GaugeMetricFamily("callboard_scheduler_leads", "Whether a scheduling process leads.", leads)
        term = self._leader["term"] if self._leader else 0
        yield GaugeMetricFamily("callboard_scheduler_term", "How often the leader has changed.", term)

    def _of_live_jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily(
            "callboard_jobs", "Jobs that have not ended.", labels=["queue", "actor", "state"]
        )  # fmt: skip
        oldest: dict[str, float] = {}
        for row in self._live:
            jobs.add_metric([row["queue"], row["actor"], row["state"]], row["jobs"])
            oldest[row["queue"]] = max(oldest.get(row["queue"], 0.0), row["oldest"])
        yield jobs
        counted = sum(row["jobs"] for row in self._live)
        yield GaugeMetricFamily(
            "callboard_jobs_capped", f"Whether there are more than the {MOST} that were counted.", counted >= MOST
        )
        waits = GaugeMetricFamily(
            "callboard_queue_oldest_seconds", "How long the first job that is due has waited.", labels=["queue"]
        )
        for queue, seconds in oldest.items():
            waits.add_metric([queue], seconds)
        yield waits


async def exposition(database: Database) -> bytes:
    """The text that Prometheus reads (exposition format 0.0.4)."""
    async with database.connection() as connection:
        read = _Read(
            await connection.fetch(metrics.LIVE, MOST),
            await connection.fetch(metrics.ENDED),
            await connection.fetchrow(metrics.WORKERS),
            await connection.fetchrow(metrics.LEADER),
        )
    registry = CollectorRegistry()
    registry.register(read)
    ProcessCollector(registry=registry)
    return generate_latest(registry)
