"""Workflows for Callboard, in a process of its own: `python -m benchmarks.flow_callboard chord 10000`."""

import json
import sys
import time

import uvloop

from benchmarks.callboard import actors
from runtime.client import Client
from services import jobs
from services.workflows import chain, chord, group, si, start
from settings import settings
from tests.support.waiting import wait_for

_LIMIT = 570.0  # seconds
_STEP = """
select percentile_cont(0.5) within group (order by ms) from (
    select extract(epoch from finished_at - lag(finished_at) over (order by number)) * 1000 as ms from workflow_steps
) s
"""


async def until(client: Client, statement: str) -> None:
    async def look() -> bool:
        async with client.database.connection() as connection:
            return bool(await connection.fetchval(statement))

    await wait_for(look, _LIMIT, statement)


async def timed_jobs(client: Client, count: int) -> dict[str, float]:
    """So many jobs of the engine alone: from before they are enqueued until the last has ended."""
    started = time.perf_counter()
    async with client.session() as session:
        await jobs.enqueue_many(session, [jobs.call(actors["noop"], number) for number in range(count)])
        await session.commit()
    await until(client, "select not exists (select from jobs where outcome is null)")
    return {"seconds": time.perf_counter() - started}


async def timed_chord(client: Client, count: int) -> dict[str, float]:
    """The same jobs as the children of a chord: from before it is started until its body has ended."""
    started = time.perf_counter()
    async with client.session() as session:
        children = group(*(si(actors["noop"], number) for number in range(count)))
        await start(session, chord(children, si(actors["noop"], count)))
        await session.commit()
    await until(client, "select bool_and(finished_at is not null) from workflows")
    return {"seconds": time.perf_counter() - started}


async def timed_chain(client: Client, count: int) -> dict[str, float]:
    """So many steps, one after the other; `ms` is the median from one step's end to the next one's."""
    started = time.perf_counter()
    async with client.session() as session:
        await start(session, chain(*(si(actors["noop"], number) for number in range(count))))
        await session.commit()
    await until(client, "select bool_and(finished_at is not null) from workflows")
    seconds = time.perf_counter() - started
    async with client.database.connection() as connection:
        return {"seconds": seconds, "ms": float(await connection.fetchval(_STEP))}


async def main(way: str, count: int) -> dict[str, float]:
    async with Client.open(settings()) as client:
        async with client.session() as session:
            await session.connection()  # connecting is not part of it
        return await {"jobs": timed_jobs, "chord": timed_chord, "chain": timed_chain}[way](client, count)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1], int(sys.argv[2])))))
