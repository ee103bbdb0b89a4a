"""How fast webhooks leave, and how little one endpoint that hangs slows the others."""

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.place import Place
from benchmarks.publish_webhooks import TYPES
from benchmarks.scenarios import Measured, Scenario
from benchmarks.systems import Callboard, System
from tests.support.process import Process
from tests.support.waiting import wait_for

_LIMIT = 300.0
_SETTINGS = {
    "OUTGOING_SCHEMES": "http",
    "OUTGOING_PORTS": "*",
    "OUTGOING_PRIVATE": "127.0.0.0/8",
    "WEBHOOK_EVENT_TYPES": TYPES,
}

# Healthy deliveries that have not ended; seconds from the first request to the last answer; each one's seconds from
# publishing to the written answer.
_LEFT = """
select count(*) from webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id
where d.outcome is null and e.event_types <> '{bench.hanging}'
"""
_SECONDS = "select extract(epoch from max(ended_at) - min(started_at))::float8 from webhook_attempts where status = 200"
_LATENCIES = """
select extract(epoch from a.ended_at - d.created_at)::float8 * 1000 as ms
from webhook_attempts a join webhook_deliveries d on d.id = a.delivery_id where a.status = 200
"""


@dataclass(frozen=True)
class Webhooks(Scenario):
    """`count` events to ten endpoints, published while no worker runs, each attempt on record; then a tenth of that at
    some 100 a second, once without and once with an endpoint that holds its requests for their whole time-out and gets
    one event for every ten of the others."""

    async def measure(self, place: Place, system: System) -> Measured:
        before = dict(place.environment)
        place.environment |= _SETTINGS
        try:
            seconds = await self._drain(place, system)
            without = await self._steady(place, system, hanging=False)
            beside = await self._steady(place, system, hanging=True)
        finally:
            place.environment.clear()
            place.environment.update(before)
        figures = {"webhooks/s": self.count / seconds, "p95 beside a hanging one : without": beside / without}
        return Measured(figures, details={"p95_ms_without": without, "p95_ms_beside": beside})

    async def _drain(self, place: Place, system: System) -> float:
        await place.clean()
        async with _receivers(place) as (port, _):
            await place.run("python", "-m", "benchmarks.publish_webhooks", "many", str(port), "0", str(self.count))
            async with system.running(place):
                await wait_for(lambda: _is_done(place), _LIMIT, "the webhooks to be delivered")
        async with place.database() as database:
            return float(await database.fetchval(_SECONDS))

    async def _steady(self, place: Place, system: System, *, hanging: bool) -> float:
        await place.clean()
        async with _receivers(place) as (port, never), system.running(place):
            count = str(self.count // 10)
            silent = str(never) if hanging else "0"
            await place.run("python", "-m", "benchmarks.publish_webhooks", "steady", str(port), silent, count)
            await wait_for(lambda: _is_done(place), _LIMIT, "the webhooks to be delivered")
        async with place.database() as database:
            latencies = [row["ms"] for row in await database.fetch(_LATENCIES)]
        return float(statistics.quantiles(latencies, n=20, method="inclusive")[18])


@asynccontextmanager
async def _receivers(place: Place) -> AsyncIterator[tuple[int, int]]:
    """The ports of one that answers and of one that hangs."""
    (place.home / "receivers.log").unlink(missing_ok=True)
    command = ("python", "-m", "benchmarks.webhook_receiver")
    process = Process(command, place.environment, place.home / "receivers.log")
    try:
        await process.says("listening on")
        port, never = map(int, process.output.rpartition("listening on ")[2].split()[:2])
        yield port, never
    finally:
        process.kill()


async def _is_done(place: Place) -> bool:
    async with place.database() as database:
        return int(await database.fetchval(_LEFT)) == 0


WEBHOOKS = Webhooks(
    "webhooks",
    "5,000 webhooks to ten endpoints",
    5_000,
    (Callboard(8),),
    {"webhooks/s": "≥ 600/s", "p95 beside a hanging one : without": "≤ 1.5"},
)
