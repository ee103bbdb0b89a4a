"""The statements that fire schedules find their rows by an index, however many schedules and past runs there are."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest_asyncio

from db import pauses, related, schedule_views, schedules
from runtime.client import Client
from tests.db.test_plans import whole_tables

ME, SOME_ID = uuid.UUID(int=1), uuid.UUID(int=2)
LARGE = ("jobs", "scheduled_jobs", "scheduled_job_executions")
SOME = [SOME_ID] * 20
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "DUE": (schedules.DUE, [ME, 1, 250]),
    "NEXT": (schedules.NEXT, []),
    "RECORD": (
        schedules.RECORD,
        [SOME, SOME, ["s"] * 20, [MOMENT] * 20, [None] * 20, [1] * 20, ["waiting"] * 20, [None] * 20, ["x"] * 20],
    ),
    "LINK": (schedules.LINK, [SOME, SOME]),
    "ADVANCE": (schedules.ADVANCE, [SOME, [MOMENT] * 20, [MOMENT] * 20, [1] * 20, [MOMENT] * 20]),
    "PARK": (schedules.PARK, [SOME, ["no"] * 20, 10.0]),
    "GO_ON": (schedules.GO_ON, []),
    "NEXT_END": (pauses.NEXT_END, []),
    "READY": (schedules.READY, [ME, 1, 250]),
    "LIVE_JOBS": (schedules.LIVE_JOBS, [SOME]),
    "DROP_WAITING": (schedules.DROP_WAITING, [SOME_ID, "why"]),
    "SKIP": (schedules.SKIP, [SOME_ID, "why"]),
    "SETTLE": (schedules.SETTLE, [SOME_ID, 100]),
    "DELETE_OLD": (schedules.DELETE_OLD, [30 * 86_400.0, 1_000]),
    "RECORD_PERIODIC": (
        schedules.RECORD_PERIODIC,
        [SOME, SOME, ["s"] * 20, [0.0] * 20, ["fired"] * 20, [None] * 20, SOME],
    ),
    "COLLIDING": (schedule_views.COLLIDING, [[MOMENT] * 10, SOME_ID, 5, 1_000]),
    "LATEST": (schedule_views.LATEST, [[SOME_ID], 100]),
    "RUNS": (related.RUNS, [SOME_ID, 3]),
    "LATENESS": (schedules.LATENESS, [SOME, [0.0] * 20]),
}


@pytest_asyncio.fixture
async def large(client: Client) -> AsyncIterator[asyncpg.Connection]:
    """5,000 schedules with ten runs each, of which all but one are over, and the jobs that these have made."""
    async with client.database.connection() as connection:
        await connection.execute(
            """
            insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, next_run_at,
                                        created_by, updated_by)
            select gen_random_uuid(), 's' || n, 'a', 'interval', '{}', '[]',
                   now() + (n - 100) * interval '1 min', 'ada', 'ada'
            from generate_series(1, 5000) n;
            insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by)
            select gen_random_uuid(), s.id, s.name, now() - n * interval '1 d',
                   case when n > 1 then 'succeeded' when s.name like '%00' then 'waiting' else 'fired' end,
                   gen_random_uuid(), 'schedule'
            from scheduled_jobs s, generate_series(1, 10) n;
            insert into jobs (id, actor, queue, args, kwargs, state, outcome, finished_at)
            select job_id, 'a', 'q', '[]', '{}', case when status <> 'fired' then 'succeeded' else 'queued' end,
                   case when status <> 'fired' then 1 end, case when status <> 'fired' then now() end
            from scheduled_job_executions where job_id is not null;
            insert into leases (name, holder, term, expires_at)
            values ('scheduling', '00000000-0000-0000-0000-000000000001', 1, now() + interval '1 h');
            analyze
            """
        )
        yield connection


async def test_no_statement_reads_a_whole_table(large: asyncpg.Connection) -> None:
    slow = {}
    for name, (statement, values) in STATEMENTS.items():
        async with large.transaction():
            rows = await large.fetch(f"explain (format json) {statement}", *values)
        if read := whole_tables(rows[0][0][0]["Plan"], LARGE):
            slow[name] = read
    assert slow == {}
