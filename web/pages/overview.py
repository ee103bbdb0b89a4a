"""/: what is going on."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services import health, overview, releases, statistics
from web.pages import charts
from web.pages.rendering import render, wanted
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

PERIODS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
Period = Literal["1h", "24h", "7d", "30d"]
GROUPINGS = {"": "All", "queue": "By queue", "actor": "By actor"}
Grouping = Literal["", "queue", "actor"]


@dataclass(frozen=True)
class Totals:
    """What ended within the period."""

    ended: int
    failed: int
    per_minute: float
    rates: list[float]  # jobs ended, by minute, hour or day
    failures: list[float]  # jobs that failed, the same way

    @property
    def failure_rate(self) -> float:
        return self.failed / self.ended if self.ended else 0.0


@router.get("/")
async def page(
    request: Request,
    session: Transaction,
    period: Annotated[Period, Query()] = "1h",
    by: Annotated[Grouping, Query()] = "",
) -> Response:
    values: dict[str, Any] = {
        "period": period, "periods": list(PERIODS), "by": by, "groupings": GROUPINGS,
    }  # fmt: skip
    if wanted(request) in (None, "now"):
        values |= await _now(session, PERIODS[period])
    if wanted(request) in (None, "charts"):
        values |= await _charts(session, period)
        values |= await _grouped(session, period, by) if by else {}
    return render(request, "overview.html", **values)


async def _now(session: AsyncSession, period: timedelta) -> dict[str, Any]:
    points = await statistics.throughput(session, period)
    ended = [point.succeeded + point.failed + point.cancelled for point in points]
    failed = [point.failed for point in points]
    totals = Totals(
        sum(ended),
        sum(failed),
        sum(ended) * 60 / period.total_seconds(),
        list(map(float, ended[:-1])),  # the last one is not over: it always seems to fall
        list(map(float, failed[:-1])),
    )
    return {"live": await overview.live(session), "totals": totals, "health": await health.latest(session)}


async def _charts(session: AsyncSession, period: Period) -> dict[str, Any]:
    length = PERIODS[period]
    hours = max(1, int(length.total_seconds() // 3600))
    actors = await statistics.by_actor(session, length)
    deployed = await releases.lately(session, length)
    return {
        "releases": deployed,
        "throughput": charts.throughput(await statistics.throughput(session, length), releases=deployed),
        "latency": charts.latency(await statistics.latency(session, length), releases=deployed),
        "attention": await overview.attention(session, hours),
        "most_unserved": overview.UNSERVED,
        "troubles": await overview.troubles(session, hours),
        "slowest": sorted(actors, key=lambda actor: -(actor.run_p95 or 0))[:5],
        "failing": [actor for actor in sorted(actors, key=lambda actor: -actor.failure_rate)[:5] if actor.failed],
    }


async def _grouped(session: AsyncSession, period: Period, by: statistics.By) -> dict[str, Any]:
    length = PERIODS[period]
    found = await statistics.shares(session, length, by, len(charts.GROUP_COLORS))
    return {
        "throughput": charts.shares(found, await releases.lately(session, length)),
        "groups": await overview.groups(session, length, by),
        "counted": overview.GROUPED,
    }
