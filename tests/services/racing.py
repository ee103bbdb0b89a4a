"""A process that enqueues under one unique key: `python -m tests.services.racing 2500 finished`.

Says how many jobs it made and which ids it was told.
"""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Literal

from runtime.client import Client
from services.jobs import Options, enqueue_with
from settings import Settings
from tests.runtime.some_actors import job_of

CALLERS = 5  # connections at once


async def race(times: int, scope: str) -> tuple[int, list[str]]:
    until: Literal["finished", "started"] | timedelta = "finished"
    if scope == "window":
        until = timedelta(hours=1)
    elif scope == "started":
        until = "started"
    options = Options(unique_key="raced", unique_until=until)
    created, ids = 0, set()

    async def caller(client: Client) -> None:
        nonlocal created
        for _ in range(times // CALLERS):
            async with client.session() as session:
                enqueued = await enqueue_with(session, options, job_of("async", "echo"), "raced")
                await session.commit()
            created += enqueued.created
            ids.add(str(enqueued.id))

    async with Client.open(Settings()) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
    return created, sorted(ids)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(race(int(sys.argv[1]), sys.argv[2]))))  # noqa: T201 (its answer)
