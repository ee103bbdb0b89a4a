"""Makes endpoints and publishes to them, in a process of its own:

python -m benchmarks.publish_webhooks many PORT HANGING COUNT        all at once
python -m benchmarks.publish_webhooks steady PORT HANGING COUNT      some 100 a second; HANGING 0 is none
"""

import asyncio
import sys
import time

import uvloop

from runtime.client import Client
from services import webhook
from settings import settings

ENDPOINTS = 10
TYPES = ",".join([f"bench.e{number}" for number in range(ENDPOINTS)] + ["bench.hanging"])
_BATCH = 100
_PAUSE = 0.01  # seconds between two events


async def make_endpoints(client: Client, port: int, hanging: int) -> None:
    urls = {f"bench.e{number}": f"http://127.0.0.1:{port}/{number}" for number in range(ENDPOINTS)}
    if hanging:
        urls["bench.hanging"] = f"http://127.0.0.1:{hanging}/"
    async with client.session() as session:
        for event_type, url in urls.items():
            fields = webhook.EndpointFields(url=url, event_types=[event_type])
            await webhook.create_endpoint(session, "benchmark", fields)
        await session.commit()


async def many(client: Client, count: int) -> None:
    for start in range(0, count, _BATCH):
        async with client.session() as session:
            for number in range(start, min(start + _BATCH, count)):
                await webhook.publish(session, f"bench.e{number % ENDPOINTS}", {"number": number})
            await session.commit()


async def steady(client: Client, count: int, hanging: bool) -> None:
    due = time.monotonic()
    for number in range(count):
        async with client.session() as session:
            await webhook.publish(session, f"bench.e{number % ENDPOINTS}", {"number": number})
            if hanging and number % 10 == 0:
                await webhook.publish(session, "bench.hanging", {"number": number})
            await session.commit()
        due += _PAUSE
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def main(way: str, port: int, hanging: int, count: int) -> float:
    async with Client.open(settings()) as client:
        await make_endpoints(client, port, hanging)
        started = time.perf_counter()
        await (many(client, count) if way == "many" else steady(client, count, bool(hanging)))
        return time.perf_counter() - started


if __name__ == "__main__":
    print(uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:]))))
