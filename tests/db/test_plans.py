"""The engine's statements stay fast with the table's size: each finds its rows by an index."""

import uuid
from collections.abc import AsyncIterator, Collection
from typing import Any

import asyncpg
import pytest_asyncio

from db import (
    catalogue,
    checkpoints,
    control,
    flow,
    jobs,
    leases,
    limits,
    listing,
    logs,
    overview,
    pauses,
    progress,
    related,
    suggestions,
    workers,
    workflow_jobs,
)
from runtime.client import Client

SOME_ID, ME = uuid.UUID(int=1), uuid.UUID(int=2)
LARGE = (
    "jobs", "job_logs", "job_progress", "job_checkpoints", "job_steps", "limits", "limit_grants", "limit_starts",
    "unique_windows",
)  # fmt: skip

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "CLAIM": (jobs.CLAIM, [[SOME_ID] * 50, [0] * 50, ME]),
    "CLAIMED": (jobs.CLAIMED, [[SOME_ID] * 50, [0] * 50, ME]),
    "SUCCEED": (jobs.SUCCEED, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "SUCCEED_WITH_WORK": (jobs.SUCCEED_WITH_WORK, [SOME_ID, 1, ME]),
    "SUCCEEDED_WITH_WORK": (jobs.SUCCEEDED_WITH_WORK, [SOME_ID, 1, ME]),
    "STORE_RESULT": (jobs.STORE_RESULT, [SOME_ID, 1, ME, "1"]),
    "CANCEL_RUNNING": (jobs.CANCEL_RUNNING, [[SOME_ID] * 50, [1] * 50, ["why"] * 50, ME]),
    "PUT_OFF": (jobs.PUT_OFF, [[SOME_ID] * 50, [0] * 50, 30.0, 3_600.0]),
    "QUEUE_AGAIN": (jobs.QUEUE_AGAIN, [[SOME_ID] * 50]),
    "OPEN_WINDOW": (jobs.OPEN_WINDOW, ["key-1", SOME_ID, 60.0]),
    "BY_WINDOW": (jobs.BY_WINDOW, ["key-1"]),
    "CLOSE_WINDOWS": (jobs.CLOSE_WINDOWS, [1_000]),
    "FAIL": (jobs.FAIL, [[SOME_ID], [1], ["E"], ["no"], [""], [None], ME]),
    "RELEASE": (jobs.RELEASE, [[SOME_ID], [1], [0.0], ME]),
    "CONTROLLED": (jobs.CONTROLLED, [ME]),
    "SAVE": (checkpoints.SAVE, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "KEEP_ITEMS": (checkpoints.KEEP_ITEMS, [[SOME_ID] * 50, [1] * 50, ["1"] * 50, ME]),
    "HOLD": (checkpoints.HOLD, [SOME_ID, 1, ME]),
    "LOAD": (checkpoints.LOAD, [[SOME_ID] * 50]),
    "KEEP_STEP": (checkpoints.KEEP_STEP, [SOME_ID, "step", 1, "1"]),
    "STEPS": (checkpoints.STEPS, [SOME_ID]),
    "WRITE of progress": (
        progress.WRITE,
        [[SOME_ID] * 50, [1] * 50, [1.0] * 50, [9.0] * 50, ["x"] * 50, [None] * 50, [0.0] * 50, [0.0] * 50, ME],
    ),
    "WRITE of logs": (
        logs.WRITE,
        [[SOME_ID] * 50, [1] * 50, [*range(50)], [20] * 50, [0.0] * 50, ["x"] * 50, [None] * 50],
    ),
    "TRIM": (logs.TRIM, [[SOME_ID] * 50, [2] * 50, 10_000, 2**20]),
    "HEARTBEAT": (workers.HEARTBEAT, [[ME], 1, 0.0]),
    "HEARTBEAT_OF_PROCESS": (workers.HEARTBEAT_OF_PROCESS, ["p", 1, 0.0]),
    "UNREGISTER": (workers.UNREGISTER, [ME]),
    "RUNS": (workers.RUNS, [ME]),
    "BURY": (workers.BURY, [15.0, ME, 1]),
    "RESCUE": (workers.RESCUE, [[ME]]),
    "RENEW": (leases.RENEW, ["scheduling", ME, 1, 15.0]),
    "UNDISPATCH": (jobs.UNDISPATCH, [[SOME_ID], [0]]),
    "LEVELS": (jobs.LEVELS, []),
    "DISPATCH": (jobs.DISPATCH, ["q1", 0, 100]),
    "UNCLAIMED": (jobs.UNCLAIMED, ["q1", 5.0, 1_000, 10_000]),
    "DELETE_ENDED": (jobs.DELETE_ENDED, [1, 7 * 86_400.0, 2_000]),
    "DEBOUNCE": (jobs.DEBOUNCE, ["key-1", "[]", "{}", 30.0, None]),
    "LET_GO": (jobs.LET_GO, ["key-1"]),
    "EXPIRE": (jobs.EXPIRE, [1_000]),
    "DEFINE": (limits.DEFINE, [["a", "b"], [1, 1], [None, None], [None, None]]),
    "LOCK": (limits.LOCK, [["a", "b"]]),
    "FREED": (limits.FREED, [["a", "b"]]),
    "DUE": (limits.DUE, [200]),
    "NEXT_DUE": (limits.NEXT_DUE, []),
    "TIDY": (limits.TIDY, [["a"]]),
    "GRANT": (limits.GRANT, [["a", "b"], [SOME_ID] * 50, [0] * 50, ["a", "b"] * 25, ME]),
    "LOOK_AGAIN": (limits.LOOK_AGAIN, [[SOME_ID]]),
    "BLOCK": (pauses.BLOCK, [[SOME_ID] * 50, [0] * 50]),
    "PAUSE of a queue": (pauses.PAUSE, ["queue", "q1", "why", "ana", None, 60.0]),
    "END of pauses": (pauses.END, []),
    "NEXT_END": (pauses.NEXT_END, []),
    "GOING_ON": (pauses.GOING_ON, []),
    "GO_ON": (pauses.GO_ON, ["a", 1_000]),
    "QUEUES": (pauses.QUEUES, [["q1"], 200, None]),
    "ACTORS": (pauses.ACTORS, [["a"], 200]),
    "FORGET": (limits.FORGET, ["", 100]),
    "OVER": (jobs.OVER, [[SOME_ID] * 50]),
    "CANCEL": (control.CANCEL, [[SOME_ID] * 50, "why"]),
    "PAUSE": (control.PAUSE, [[SOME_ID] * 50, "why"]),
    "RESUME": (control.RESUME, [[SOME_ID] * 50]),
    "RUN_NOW": (control.RUN_NOW, [[SOME_ID] * 50]),
    "MOVE": (control.MOVE, [[SOME_ID] * 50, "q2", 1]),
    "RETRY": (control.RETRY, [[SOME_ID] * 50, True]),
    "DELETE": (control.DELETE, [[SOME_ID] * 50]),
    "SIBLINGS": (related.SIBLINGS, [SOME_ID, SOME_ID, 6]),
    "OF_STEP": (related.OF_STEP, [SOME_ID, SOME_ID, 5, 3]),
    "OF_KEY": (related.OF_KEY, ["key-1", SOME_ID]),
    "LAST_LINES": (listing.LAST_LINES, [[SOME_ID] * 20]),
    "STATES": (control.STATES, [[SOME_ID] * 50]),
    "LIVING": (workers.LIVING, [200]),
    "RUNNING_ON": (workers.RUNNING_ON, [ME, 200, 50]),
    "ENDED_ON": (workers.ENDED_ON, [ME, 200, 50]),
    "FAILED_ON": (workers.FAILED_ON, [ME, 200, 50]),
    "ARRIVALS": (flow.ARRIVALS, [300.0, 200]),
    "BY_ACTOR": (flow.BY_ACTOR, ["q1", 200]),
    "OLDEST": (flow.OLDEST, ["q1", 200, 20]),
    "IN_USE": (limits.IN_USE, ["a", 1_000, 1_000, 20]),
    "SET": (limits.SET, ["a", 2, None, None, "ana", "why"]),
    "RESET": (limits.RESET, ["a"]),
    "UNSERVED": (overview.UNSERVED, [200, 15.0, 5]),
    "LIVE": (overview.LIVE, [200]),
    "COUNTS": (listing.COUNTS, [200]),
    "LIVE_BY_ACTOR": (overview.LIVE_BY_ACTOR, [200]),
    "LAST_RUNS": (catalogue.LAST_RUNS, [["cleanup_completed_jobs", "tidy_webhooks"]]),
    "OWNERS": (suggestions.OWNERS, ["a", 12]),
    "TAGS": (suggestions.TAGS, ["a", 12]),
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
            insert into limits (key, concurrency, due_at)
            select 'key-' || n, 1, case when n % 100 = 0 then now() end from generate_series(1, 50000) n;
            insert into limit_grants (job_id, key, attempt) select id, 'a', 1 from jobs where state = 'queued' limit 10;
            insert into limit_grants (job_id, key, attempt)
            select gen_random_uuid(), 'key-' || n, 1 from generate_series(1, 50000) n;
            insert into limit_starts (key, started_at, jobs)
            select 'key-' || n, now() - n * interval '1 s', 1 from generate_series(1, 50000) n;
            insert into unique_windows (key, job_id, until)
            select 'key-' || n, gen_random_uuid(), now() + (n - 50) * interval '1 min' from generate_series(1, 5000) n;
            insert into job_logs (job_id, attempt, line, level, logged_at, message)
            select id, 1, n, 20, now(), 'x' from (select id from jobs limit 5000) j, generate_series(1, 5) n;
            insert into job_progress (job_id, attempt, current, started_current, started_at)
            select id, 1, 1, 0, now() from jobs limit 5000;
            insert into job_checkpoints (job_id, attempt, data) select id, 1, '1' from jobs limit 40000;
            insert into job_steps (job_id, name, attempt) select id, 'step', 1 from jobs limit 5000;
            analyze
            """
        )
        yield connection


async def test_no_statement_reads_the_whole_table(large: asyncpg.Connection) -> None:
    """Given large tables, then the plan of each statement, asked for with values as asyncpg prepares it, scans none of
    them from end to end."""
    slow = {}
    for name, (statement, values) in STATEMENTS.items():
        async with large.transaction():
            rows = await large.fetch(f"explain (format json) {statement}", *values)
        if read := whole_tables(rows[0][0][0]["Plan"], LARGE):
            slow[name] = read
    assert slow == {}


async def test_no_run_is_compared_with_every_row_of_a_small_table(client: Client) -> None:
    """Given a table so small that reading all of it seems cheap, and statistics by which no job is queued or running,
    then the statements over many runs still find each by its id: not each run by trying it on each row."""
    ids, ones = [SOME_ID] * 400, [1] * 400
    statements: dict[str, tuple[str, list[Any]]] = {
        "CLAIM": (jobs.CLAIM, [ids, ones, ME]),
        "CLAIMED": (jobs.CLAIMED, [ids, ones, ME]),
        "SUCCEED": (jobs.SUCCEED, [ids, ones, ["1"] * 400, ME]),
        "SUCCEED (workflows)": (workflow_jobs.SUCCEED, [ids, ones, ["1"] * 400, ME]),
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


def whole_tables(plan: dict[str, Any], large: Collection[str]) -> list[str]:
    """Those of these tables that the plan scans from end to end."""
    return [
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in large
    ]


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def test_a_claim_changes_no_indexed_column(client: Client) -> None:
    """Given a row with room on its page, when it is claimed, then no index is touched (HOT): the speed rests on it."""
    async with client.database.connection() as connection:
        job_id = uuid.uuid4()
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs) values ($1, 'a', 'q', '[]', '{}')", job_id
        )
        await connection.execute(workers.REGISTER, ME, "h", 1, "f", ["q"], 1, 1, "0", "3", "2")
        before = await hot_updates(connection)
        await connection.fetch(jobs.CLAIM, [job_id], [0], ME)
        assert await hot_updates(connection) == before + 1


async def hot_updates(connection: asyncpg.Connection) -> int:
    """Of this session's own statements, which PostgreSQL reports a little later otherwise."""
    await connection.execute("select pg_stat_force_next_flush()")
    number: int = await connection.fetchval("select n_tup_hot_upd from pg_stat_user_tables where relname = 'jobs'")
    return number
