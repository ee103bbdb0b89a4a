"""The engine's statements stay fast with the table's size: each finds its rows by an index."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from db import checkpoints, control, flow, jobs, limits, pauses, progress, workers, workflows
from runtime.client import Client

SOME_ID, ME = uuid.UUID(int=1), uuid.UUID(int=2)

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "CLAIM": (jobs.CLAIM, [[SOME_ID] * 50, [0] * 50, ME]),
    "CLAIMED": (jobs.CLAIMED, [[SOME_ID] * 50, [0] * 50, ME]),
    "SUCCEED": (jobs.SUCCEED, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "FAIL": (jobs.FAIL, [[SOME_ID], [1], ["E"], ["no"], [""], [None], ME]),
    "RELEASE": (jobs.RELEASE, [[SOME_ID], [1], [0.0], ME]),
    "CONTROLLED": (jobs.CONTROLLED, [ME]),
    "SAVE": (checkpoints.SAVE, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "KEEP_ITEMS": (checkpoints.KEEP_ITEMS, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "HOLD": (checkpoints.HOLD, [SOME_ID, 1, ME]),
    "UNDISPATCH": (jobs.UNDISPATCH, [[SOME_ID], [0]]),
    "LEVELS": (jobs.LEVELS, []),
    "DISPATCH": (jobs.DISPATCH, ["q1", 0, 100]),
    "UNCLAIMED": (jobs.UNCLAIMED, ["q1", 5.0, 1_000]),
    "DELETE_ENDED": (jobs.DELETE_ENDED, [1, 7 * 86_400.0, 2_000]),
    "DEBOUNCE": (jobs.DEBOUNCE, ["key-1", "[]", "{}", 30.0, None]),
    "LET_GO": (jobs.LET_GO, ["key-1"]),
    "EXPIRE": (jobs.EXPIRE, [1_000]),
    "TIDY": (limits.TIDY, [["a"]]),
    "GRANT": (limits.GRANT, [["a", "b"], [SOME_ID] * 50, [0] * 50, ["a", "b"] * 25, ME]),
    "LOOK_AGAIN": (limits.LOOK_AGAIN, [[SOME_ID]]),
    "BLOCK": (pauses.BLOCK, [[SOME_ID] * 50, [0] * 50]),
    "GOING_ON": (pauses.GOING_ON, []),
    "GO_ON": (pauses.GO_ON, ["a", 1_000]),
    "QUEUES": (pauses.QUEUES, [["q1"], 200]),
    "ACTORS": (pauses.ACTORS, [["a"], 200]),
    "FORGET": (limits.FORGET, ["", 1_000]),
    "OVER": (jobs.OVER, [[SOME_ID] * 50]),
    "CANCEL": (control.CANCEL, [[SOME_ID] * 50, "why"]),
    "PAUSE": (control.PAUSE, [[SOME_ID] * 50, "why"]),
    "RESUME": (control.RESUME, [[SOME_ID] * 50]),
    "RUN_NOW": (control.RUN_NOW, [[SOME_ID] * 50]),
    "RETRY": (control.RETRY, [[SOME_ID] * 50, True]),
    "DELETE": (control.DELETE, [[SOME_ID] * 50]),
    "STATES": (control.STATES, [[SOME_ID] * 50]),
    "LIVING": (workers.LIVING, [200]),
    "RUNNING_ON": (workers.RUNNING_ON, [ME, 200, 50]),
    "ENDED_ON": (workers.ENDED_ON, [ME, 200, 50]),
    "ARRIVALS": (flow.ARRIVALS, [300.0, 200]),
    "BY_ACTOR": (flow.BY_ACTOR, ["q1", 200]),
    "OLDEST": (flow.OLDEST, ["q1", 200, 20]),
    "IN_USE": (limits.IN_USE, ["a", 1_000, 20, 1_000]),
    "LIVE_BY_UNIQUE_KEY": (jobs.LIVE_BY_UNIQUE_KEY, ["key-1"]),
}


@pytest_asyncio.fixture
async def large(client: Client) -> AsyncIterator[asyncpg.Connection]:
    """50,000 jobs of four queues and three priorities, most of them ended in the last month, 5,000 of them queued."""
    async with client.database.connection() as connection:
        await connection.execute(
            """
            insert into jobs (id, actor, queue, args, kwargs, priority, state, outcome, finished_at, created_at, run_at,
                              dispatched_at, unique_key)
            select gen_random_uuid(), 'actor-' || n % 7, 'q' || n % 4, '[]', '{}', n % 3,
                   case when n % 10 = 0 then 'queued' else 'succeeded' end, case when n % 10 = 0 then null else 1 end,
                   case when n % 10 = 0 then null else now() - n * interval '1 min' end,
                   now() - n * interval '1 min', now() - n * interval '1 min',
                   case when n % 20 = 0 then now() end, case when n % 100 = 0 then 'key-' || n end
            from generate_series(1, 50000) n
            """
        )
        await connection.execute(
            """
            update jobs set state = 'waiting', blocked_by = 'limit:' || case when random() < 0.5 then 'a' else 'b' end,
                            run_at = 'infinity', dispatched_at = null, expires_at = now() + interval '1 h'
            where state = 'queued' and priority = 1;
            insert into limits (key, concurrency, rate, per) values ('a', 10, 100, 1), ('b', 10, null, null);
            insert into limit_grants (job_id, key, attempt) select id, 'a', 1 from jobs where state = 'queued' limit 10;
            analyze limits; analyze limit_grants; analyze jobs
            """
        )
        yield connection


async def test_no_statement_reads_the_whole_table(large: asyncpg.Connection) -> None:
    """Given a large table, then the plan of each statement, asked for with values as asyncpg prepares it, has no
    sequential scan of jobs."""
    slow = {}
    for name, (statement, values) in STATEMENTS.items():
        async with large.transaction():
            rows = await large.fetch(f"explain (format json) {statement}", *values)
        scans = [node for node in nodes(rows[0][0][0]["Plan"]) if node["Node Type"] == "Seq Scan"]
        if any(scan.get("Relation Name") == "jobs" for scan in scans):
            slow[name] = rows[0][0]
    assert slow == {}


async def test_no_run_is_compared_with_every_row_of_a_small_table(client: Client) -> None:
    """Given a table so small that reading all of it seems cheap, and statistics by which no job is queued or running,
    then the statements over many runs still find each by its id: not each run by trying it on each row."""
    ids, ones = [SOME_ID] * 400, [1] * 400
    statements: dict[str, tuple[str, list[Any]]] = {
        "CLAIM": (jobs.CLAIM, [ids, ones, ME]),
        "CLAIMED": (jobs.CLAIMED, [ids, ones, ME]),
        "SUCCEED": (jobs.SUCCEED, [ids, ones, ["1"] * 400, ME]),
        "SUCCEED (workflows)": (workflows.SUCCEED, [ids, ones, ["1"] * 400, ME]),
        "FAIL": (jobs.FAIL, [ids, ones, ["E"] * 400, ["no"] * 400, [""] * 400, [None] * 400, ME]),
        "CANCEL_RUNNING": (jobs.CANCEL_RUNNING, [ids, ones, ["why"] * 400, ME]),
        "RELEASE": (jobs.RELEASE, [ids, ones, [0.0] * 400, ME]),
        "UNDISPATCH": (jobs.UNDISPATCH, [ids, ones]),
        "GRANT": (limits.GRANT, [["a"], ids, ones, ["a"] * 400, ME]),
        "SAVE": (checkpoints.SAVE, [ids, ones, ["1"] * 400, ME]),
        "KEEP_ITEMS": (checkpoints.KEEP_ITEMS, [ids, ones, ["1"] * 400, ME]),
        "WRITE (progress)": (
            progress.WRITE,
            [ids, ones, *[[1.0] * 400] * 2, *[["x"] * 400] * 2, *[[1.0] * 400] * 2, ME],
        ),
    }
    async with client.database.connection() as connection:
        await connection.execute(
            """
            insert into jobs (id, actor, queue, args, kwargs, state, outcome, finished_at)
            select gen_random_uuid(), 'a', 'q', '[]', '{}', 'succeeded', 1, now() from generate_series(1, 3000);
            analyze jobs
            """
        )
        tried = {}
        for name, (statement, values) in statements.items():
            rows = await connection.fetch(f"explain (format json) {statement}", *values)
            loops = [node for node in nodes(rows[0][0][0]["Plan"]) if node["Node Type"] == "Nested Loop"]
            if any("j.id" in loop.get("Join Filter", "") for loop in loops):
                tried[name] = rows[0][0]
    assert tried == {}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def test_a_claim_changes_no_indexed_column(client: Client) -> None:
    """Given a row with room on its page, when it is claimed, then no index is touched (HOT): the speed rests on it."""
    async with client.database.connection() as connection:
        job_id = uuid.uuid4()
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs) values ($1, 'a', 'q', '[]', '{}')", job_id
        )
        await connection.execute(workers.REGISTER, ME, "h", 1, "f", ["q"], 1, 1, "0")
        before = await hot_updates(connection)
        await connection.fetch(jobs.CLAIM, [job_id], [0], ME)
        assert await hot_updates(connection) == before + 1


async def hot_updates(connection: asyncpg.Connection) -> int:
    """Of this session's own statements, which PostgreSQL reports a little later otherwise."""
    await connection.execute("select pg_stat_force_next_flush()")
    number: int = await connection.fetchval("select n_tup_hot_upd from pg_stat_user_tables where relname = 'jobs'")
    return number
