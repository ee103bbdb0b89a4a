"""How punctual schedules are: `python -m benchmarks.schedules`, on DATABASE_URL and REDIS_URL or on embedded servers.

Three scenarios, each with one scheduler and one worker, which runs no-op jobs:

    one      one schedule of a second, nothing else
    many     10,000 schedules, 1,000 of them due at the same second of each minute
    idle     what a tick costs with none, and with 100,000 schedules that are not due

Late is how long after its planned time a job was made, in the transaction's own time, and how long after it its actor
had started.
"""

import asyncio
import time
from typing import Annotated, Any

import asyncpg
import orjson
import typer

from benchmarks.place import Place
from db import schedules
from db.migrate import upgrade
from runtime.transport import SCHEDULES
from tests.support.waiting import wait_for

MODULE = "benchmarks.callboard"
ACTOR = "noop"

# Schedules of an actor, by number: actor, how many, seconds between runs, seconds over which the first runs are spread
# in steps of a minute. They begin at the next full minute.
INSERT = """
insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, overlap, created_by,
                            updated_by, anchor_at, next_run_at)
select gen_random_uuid(), 'schedule ' || n, $1, 'interval', json_build_object('seconds', $3::int), '[1]', 'allow',
       'benchmark', 'benchmark', at, at
from generate_series(0, $2 - 1) n
cross join lateral (
    select date_trunc('minute', now()) + interval '1 min' + (n * 60 % $4::int) * interval '1 s' as at
) a
"""

LATE = """
select (extract(epoch from e.recorded_at - e.planned_at) * 1000)::float8 as made,
       (extract(epoch from j.started_at - e.planned_at) * 1000)::float8 as started
from scheduled_job_executions e join jobs j on j.id = e.job_id
where j.started_at is not null
"""


def quantiles(values: list[float]) -> dict[str, float]:
    """In milliseconds."""
    values = sorted(values)
    return {
        name: round(values[min(len(values) - 1, int(len(values) * share))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


async def measure(place: Place, number: int, seconds: int, spread: int, runs: int) -> dict[str, Any]:
    """So many runs of so many schedules."""
    await place.clean()
    async with (
        place.process("dramatiq", "--processes", "1", "--threads", "8", MODULE),
        place.process("python", "-m", "scheduling", MODULE),
        place.database() as connection,
    ):
        await connection.execute(INSERT, ACTOR, number, seconds, spread)
        # As a service would, by which the scheduler is told.
        async with place.redis() as redis:
            await redis.publish(SCHEDULES, "benchmark")

        async def done() -> bool:
            return bool(await connection.fetchval(f"select count(*) >= $1 from ({LATE}) l", runs))

        await wait_for(done, timeout=600, what=f"{runs} runs")
        rows = await connection.fetch(LATE)
    made, started = ([row[column] for row in rows] for column in ("made", "started"))
    return {"runs": len(rows), "made (ms late)": quantiles(made), "started (ms late)": quantiles(started)}


async def tick(place: Place, number: int) -> float:
    """Milliseconds of a tick's question to the database, with so many schedules that are due in an hour or later."""
    await place.clean()
    async with place.database() as connection:
        await connection.execute(INSERT, ACTOR, number, 86_400, 86_400)
        await connection.execute("update scheduled_jobs set next_run_at = next_run_at + interval '1 h'")
        await connection.execute("vacuum analyze scheduled_jobs")
        return await _time(connection)


async def _time(connection: asyncpg.Connection, times: int = 500) -> float:
    await connection.fetchval(schedules.NEXT)
    started = time.perf_counter()
    for _ in range(times):
        await connection.fetchval(schedules.NEXT)
    return (time.perf_counter() - started) / times * 1000


async def run(place: Place, seconds: int, minutes: int) -> dict[str, Any]:
    await upgrade(place.settings())
    return {
        "one schedule of a second": await measure(place, 1, 1, 60, seconds),
        "10,000 schedules, 1,000 a minute": await measure(place, 10_000, 600, 600, 1_000 * minutes),
        "idle tick (ms)": {
            "no schedule": round(await tick(place, 0), 3),
            "100,000 schedules": round(await tick(place, 100_000), 3),
        },
    }


def main(
    seconds: Annotated[int, typer.Option(min=1, help="Runs of the one schedule.")] = 120,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of the many.")] = 3,
) -> None:
    """How punctual schedules are; as JSON."""
    with Place.made({}) as place:
        figures = asyncio.run(run(place, seconds, minutes))
    typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    typer.run(main)
