"""How punctual delayed jobs are: `python -m benchmarks.due`, on DATABASE_URL and REDIS_URL or on embedded servers.

Three scenarios, each with one scheduler and one worker, which runs no-op jobs:

    one      100 jobs, each due a second after it was enqueued, one after the other
    same     10,000 jobs that are due in the same moment
    backlog  100,000 jobs that wait and a million that are due in a week: how many messages Redis holds at most, and how
             soon an urgent job starts and a job is cancelled meanwhile

Late is how long after it was due a job was sent to Redis, and how long after it its actor had started.
"""

import asyncio
import time
from datetime import timedelta
from typing import Annotated, Any

import asyncpg
import orjson
import typer

from benchmarks.callboard import actors
from benchmarks.place import Place
from benchmarks.schedules import quantiles
from db.migrate import upgrade
from runtime.client import Client
from runtime.transport import Keys
from services import control, jobs
from tests.support.waiting import wait_for

MODULE = "benchmarks.callboard"
NOOP = actors["noop"]

# So many jobs: actor, queue, seconds until they are due, how many, a number that is added to each one's.
INSERT = """
insert into jobs (id, actor, queue, args, kwargs, max_attempts, run_at)
select gen_random_uuid(), $1, $2, json_build_array(n + $5::int), '{}', 21, now() + $3::float8 * interval '1 s'
from generate_series(1, $4::int) n
"""

LATE = """
select (extract(epoch from dispatched_at - run_at) * 1000)::float8 as sent,
       (extract(epoch from started_at - run_at) * 1000)::float8 as started
from jobs where started_at is not null and dispatched_at is not null
"""


async def late(connection: asyncpg.Connection, number: int) -> dict[str, Any]:
    """Of so many jobs, once all have started."""

    async def done() -> bool:
        return bool(await connection.fetchval("select count(*) >= $1 from jobs where started_at is not null", number))

    await wait_for(done, timeout=120, what=f"{number} starts")
    rows = await connection.fetch(LATE)
    return {
        "jobs": len(rows),
        "sent (ms late)": quantiles([row["sent"] for row in rows]),
        "started (ms late)": quantiles([row["started"] for row in rows]),
    }


async def one(client: Client, connection: asyncpg.Connection) -> dict[str, Any]:
    for number in range(100):
        async with client.session() as session:
            await jobs.enqueue_with(session, jobs.Options(delay=timedelta(seconds=1)), NOOP, number)
            await session.commit()
        await asyncio.sleep(0.137)  # so that they fall due at any time of the relay's second
    return await late(connection, 100)


async def same(client: Client, connection: asyncpg.Connection) -> dict[str, Any]:
    async with client.session() as session:
        calls = [jobs.call(NOOP, number) for number in range(10_000)]
        await jobs.enqueue_many(session, calls, jobs.Options(delay=timedelta(seconds=3)))
        await session.commit()
    return await late(connection, 10_000)


async def backlog(client: Client, connection: asyncpg.Connection) -> dict[str, Any]:
    """The jobs take 50 ms: the backlog lasts, however fast the engine is."""
    wait = actors["wait"]
    for part in range(10):
        await connection.execute(INSERT, wait.actor_name, wait.queue_name, 7 * 86_400, 100_000, part, timeout=600)
    await connection.execute(INSERT, wait.actor_name, wait.queue_name, 0, 100_000, 0, timeout=600)
    await connection.execute("analyze jobs")
    most, urgent, cancelled = 0, [], []
    for number in range(20):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            most = max(most, int(await client.redis.llen(Keys.of(wait.queue_name).waiting)))
            await asyncio.sleep(0.02)
        async with client.session() as session:
            made = await jobs.enqueue_with(session, jobs.Options(priority=-10), NOOP, number)
            await session.commit()
        await jobs.wait(client, made.id, 60)
        seconds = "select extract(epoch from started_at - created_at)::float8 * 1000 from jobs where id = $1"
        urgent.append(await connection.fetchval(seconds, made.id))
        doomed = await connection.fetchval("select id from jobs where state = 'queued' order by id desc limit 1")
        started = time.perf_counter()
        async with client.session() as session:
            await control.cancel(session, doomed, who="benchmark")
            await session.commit()
        cancelled.append((time.perf_counter() - started) * 1000)
    return {
        "messages in Redis at most": most,
        "urgent jobs (ms until started)": quantiles(urgent),
        "a cancel (ms until committed)": quantiles(cancelled),
        "still waiting": await connection.fetchval("select count(*) from jobs where outcome is null"),
    }


SCENARIOS = {"one": one, "same": same, "backlog": backlog}


async def run(place: Place, only: list[str]) -> dict[str, Any]:
    await upgrade(place.settings())
    figures = {}
    for name in only or SCENARIOS:
        await place.clean()
        async with (
            place.process("dramatiq", "--processes", "1", "--threads", "8", MODULE),
            place.process("python", "-m", "scheduling", MODULE),
            place.database() as connection,
            Client.open(place.settings()) as client,
        ):
            figures[name] = await SCENARIOS[name](client, connection)
    return figures


def main(
    only: Annotated[list[str] | None, typer.Argument(help="one, same, backlog; all if none is named.")] = None,
) -> None:
    """How punctual delayed jobs are; as JSON."""
    with Place.made({}) as place:
        figures = asyncio.run(run(place, only or []))
    typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    typer.run(main)
