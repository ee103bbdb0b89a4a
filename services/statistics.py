"""How much ended, how, and how long it took: from what the leading scheduler counts (scheduling/statistics.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from db import statistics
from db.statistics import BUCKETS, DAY, HOUR, MINUTE

By = Literal["queue", "actor"]

_MINUTES = timedelta(hours=2)  # up to that long a stretch is shown by minutes
_HOURS = timedelta(days=8)  # up to that long, by hours; a longer one by days


@dataclass(frozen=True)
class Point:
    """What ended within one minute, hour or day."""

    starts_at: datetime
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retries: int = 0


@dataclass(frozen=True)
class Shares:
    """What ended in each minute, hour or day, of the busiest queues or actors, and of all others together."""

    moments: list[datetime]
    busiest: dict[str, list[int]]  # jobs by name, the busiest first
    others: list[int]


@dataclass(frozen=True)
class Totals:
    """What ended of one queue or actor."""

    name: str
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retries: int = 0

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled

    @property
    def failure_rate(self) -> float:
        """Between 0 and 1."""
        return self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class ActorStatistic:
    actor: str
    jobs: int
    failed: int
    retries: int
    ran: float  # seconds, on average
    waited: float  # seconds, on average
    run_p50: float | None
    run_p95: float | None
    run_p99: float | None

    @property
    def failure_rate(self) -> float:
        """Between 0 and 1."""
        return self.failed / self.jobs if self.jobs else 0.0


@dataclass(frozen=True)
class Latency:
    """Percentiles of a minute, hour or day, in seconds."""

    starts_at: datetime
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None


def span_of(period: timedelta) -> int:
    """Seconds between two points of a chart over that period."""
    if period <= _MINUTES:
        return MINUTE
    return HOUR if period <= _HOURS else DAY


async def throughput(
    session: AsyncSession, period: timedelta, *, actor: str | None = None, queue: str | None = None
) -> list[Point]:
    """What ended, oldest first; stretches in which nothing did are there with zeros, the current one too."""
    span = span_of(period)
    connection = await session.connection()
    rows = await connection.exec_driver_sql(statistics.SERIES, (span, period.total_seconds(), actor, queue))
    counted = {
        row.starts_at: Point(row.starts_at, row.succeeded or 0, row.failed or 0, row.cancelled or 0, row.retries or 0)
        for row in rows
    }
    return [counted.get(at) or Point(at) for at in _moments(span, period)]


async def shares(session: AsyncSession, period: timedelta, by: By, most: int) -> Shares:
    """What ended by queue or by actor, over time: that of the `most` busiest each."""
    span = span_of(period)
    connection = await session.connection()
    moments = _moments(span, period)
    places = {at: place for place, at in enumerate(moments)}
    found: dict[str | None, list[int]] = {None: [0] * len(moments)}
    for row in await connection.exec_driver_sql(statistics.SERIES_BY[by], (span, period.total_seconds(), most)):
        counts = found.setdefault(row.name, [0] * len(moments))
        if row.starts_at in places:
            counts[places[row.starts_at]] = int(row.jobs)
    others = found.pop(None)
    named = {str(name): counts for name, counts in found.items()}
    return Shares(moments, dict(sorted(named.items(), key=lambda one: (-sum(one[1]), one[0]))), others)


async def totals(session: AsyncSession, period: timedelta, by: By, most: int) -> list[Totals]:
    """What ended by queue or by actor, busiest first."""
    connection = await session.connection()
    values = (span_of(period), period.total_seconds(), most)
    return [Totals(**row._asdict()) for row in await connection.exec_driver_sql(statistics.TOTALS_BY[by], values)]


async def latency(session: AsyncSession, period: timedelta, *, actor: str | None = None) -> list[Latency]:
    """Percentiles of waiting and running over time; null where nothing ended."""
    span = span_of(period)
    found = await _histograms(session, period, span, by_time=True, actor=actor)
    points = []
    for at in _moments(span, period):
        kinds = found.get(at, {})
        wait, run = kinds.get("wait", ()), kinds.get("run", ())
        points.append(
            Latency(at, percentile(wait, 0.5), percentile(wait, 0.95), percentile(run, 0.5), percentile(run, 0.95))
        )
    return points


async def by_actor(session: AsyncSession, period: timedelta, most: int = 100) -> list[ActorStatistic]:
    """The actors whose jobs ended in that period, busiest first."""
    return await _actors(session, period, most)


async def of_actor(session: AsyncSession, name: str, period: timedelta) -> ActorStatistic | None:
    """One actor; None if no job of it ended in that period."""
    return next(iter(await _actors(session, period, 1, name)), None)


async def _actors(session: AsyncSession, period: timedelta, most: int, name: str | None = None) -> list[ActorStatistic]:
    span = span_of(period)
    connection = await session.connection()
    rows = await connection.exec_driver_sql(statistics.ACTORS, (span, period.total_seconds(), most, name))
    found = await _histograms(session, period, span, by_time=False, actor=name)
    listed = []
    for row in rows:
        p50, p95, p99 = (percentile(found.get(row.actor, {}).get("run", ()), share) for share in (0.5, 0.95, 0.99))
        means = row.ran / row.jobs, row.waited / row.jobs
        listed.append(
            ActorStatistic(row.actor, int(row.jobs), int(row.failed), int(row.retries), *means, p50, p95, p99)
        )
    return listed


async def _histograms(
    session: AsyncSession, period: timedelta, span: int, *, by_time: bool, actor: str | None = None
) -> dict[Any, dict[str, list[int]]]:
    connection = await session.connection()
    statement = statistics.HISTOGRAMS_BY_TIME if by_time else statistics.HISTOGRAMS_BY_ACTOR
    found: dict[Any, dict[str, list[int]]] = {}
    for row in await connection.exec_driver_sql(statement, (span, period.total_seconds(), actor)):
        found[row.key] = {"wait": row.waits, "run": row.runs}
    return found


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Seconds within which that share of the jobs were done, straight lines drawn within a bucket; None of no jobs."""
    total = sum(counts)
    if not total:
        return None
    wanted, passed = share * total, 0
    for bucket, count in enumerate(counts):
        if count and passed + count >= wanted:
            low = BUCKETS[bucket - 1] if bucket else 0.0
            high = BUCKETS[min(bucket, len(BUCKETS) - 1)]
            return low + (high - low) * (wanted - passed) / count
        passed += count
    return BUCKETS[-1]


def _moments(span: int, period: timedelta) -> list[datetime]:
    """The starts of all stretches of the period, the current one the last."""
    last = int(datetime.now(UTC).timestamp()) // span * span
    count = int(period.total_seconds() // span)
    return [datetime.fromtimestamp(last - span * (count - 1 - index), UTC) for index in range(count)]
