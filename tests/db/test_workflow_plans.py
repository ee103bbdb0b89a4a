"""The statements of workflows find their rows by an index, however many workflows and jobs there are."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from db import workflow_jobs, workflow_steps, workflows
from runtime.client import Client
from tests.db.test_plans import whole_tables

ME, SOME_ID = uuid.UUID(int=1), uuid.UUID(int=2)
LARGE = ("jobs", "workflows", "workflow_steps", "workflow_edges", "workflow_items")
SOME = [SOME_ID] * 20

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "LOCK": (workflows.LOCK, [SOME]),
    "SUCCEED": (workflow_jobs.SUCCEED, [SOME, [1] * 20, ["1"] * 20, ME]),
    "REPORT": (workflow_jobs.REPORT, [SOME]),
    "UNREPORTED": (workflow_jobs.UNREPORTED, [500]),
    "COUNT_ENDS": (workflow_steps.COUNT_ENDS, [SOME, [1] * 20, [0] * 20]),
    "FINISH_JOBS": (workflow_steps.FINISH_JOBS, [SOME]),
    "FINISH_FANS": (workflow_steps.FINISH_FANS, [SOME, 1_000]),
    "STEP_ENDED": (workflow_steps.STEP_ENDED, [SOME, [True] * 20]),
    "PASSED": (workflow_steps.PASSED, [SOME]),
    "ITEMS": (workflow_steps.ITEMS, [SOME_ID, 0, 3]),
    "RELEASED": (workflow_steps.RELEASED, [SOME, [1] * 20]),
    "READY": (workflow_steps.READY, [SOME_ID]),
    "SUCCEED_LATE": (workflow_steps.SUCCEED_LATE, [SOME]),
    "END": (workflow_steps.END, [SOME, ["cancelled"] * 20, [None] * 20, [None] * 20, [None] * 20]),
    "UNFINISHED_FANS": (workflow_steps.UNFINISHED_FANS, [SOME_ID]),
    "BEGIN": (workflow_steps.BEGIN, [SOME, [1] * 20]),
    "EVENTS": (workflow_steps.EVENTS, [SOME]),
    "STOP": (workflows.STOP, [SOME_ID, "failing", False, "E", "no", None]),
    "CANCEL_STEPS": (workflow_steps.CANCEL_STEPS, [SOME_ID]),
    "WANT_JOBS_CANCELLED": (workflow_jobs.WANT_JOBS_CANCELLED, [SOME_ID, "why"]),
    "PAUSE_JOBS": (workflow_jobs.PAUSE_JOBS, [SOME_ID, "why"]),
    "RESUME_JOBS": (workflow_jobs.RESUME_JOBS, [SOME_ID]),
    "PAUSE": (workflows.PAUSE, [SOME_ID]),
    "RESUME": (workflows.RESUME, [SOME_ID]),
    "CLOSE": (workflows.CLOSE, [SOME_ID, "succeeded", None, None, None]),
    "COMPENSATE": (workflows.COMPENSATE, [SOME_ID]),
    "NEXT_UNDO": (workflow_steps.NEXT_UNDO, [SOME_ID]),
    "STEPS_DUE": (workflow_steps.STEPS_DUE, [SOME]),
    "NEXT_DUE": (workflows.NEXT_DUE, []),
    "SET_TOTAL": (workflow_steps.SET_TOTAL, [SOME_ID, 1]),
    "SKIP": (workflow_steps.SKIP, [SOME_ID, "a", "1"]),
    "STEP": (workflow_steps.STEP, [SOME_ID, "a"]),
    "IS_SAGA": (workflows.IS_SAGA, [SOME_ID]),
    "RECEIVE": (workflow_steps.RECEIVE, [SOME_ID, "yes", "1", "ada"]),
    "WAITS_FOR": (workflow_steps.WAITS_FOR, [SOME_ID, "yes"]),
    "EVENT_NAMES": (workflow_steps.EVENT_NAMES, [SOME_ID]),
    "QUEUE_FAILED_JOBS": (workflow_jobs.QUEUE_FAILED_JOBS, [SOME_ID, False]),
    "RESET": (workflow_steps.RESET, [SOME_ID, []]),
    "RECOUNT": (workflow_steps.RECOUNT, [SOME_ID]),
    "REOPEN": (workflows.REOPEN, [SOME_ID]),
    "COMPENSATE_AGAIN": (workflows.COMPENSATE_AGAIN, [SOME_ID]),
    "CURRENT": (workflow_steps.CURRENT, [SOME]),
    "CANCEL_JOBS": (workflow_jobs.CANCEL_JOBS, [SOME, None]),
    "AT_REST": (workflows.AT_REST, [SOME]),
    "DUE_STEPS": (workflow_steps.DUE_STEPS, [500]),
    "OVERDUE": (workflows.OVERDUE, [500]),
    "STOPPING": (workflows.STOPPING, []),
    "BY_KEY": (workflows.BY_KEY, ["ada", "key"]),
    "AFTER": (workflow_steps.AFTER, [SOME_ID]),
    "PROGRESS": (workflows.PROGRESS, [SOME]),
    "STARTED_BY": (workflows.STARTED_BY, [SOME]),
    "DELETE_ENDED": (workflows.DELETE_ENDED, [7 * 86_400.0, 7 * 86_400.0, 30 * 86_400.0, 100]),
}


@pytest_asyncio.fixture
async def large(client: Client) -> AsyncIterator[asyncpg.Connection]:
    """5,000 workflows, all but 50 of them ended, of six steps with a job each."""
    async with client.database.connection() as connection:
        await connection.execute(
            """
            insert into workflows (id, name, state, created_at, finished_at)
            select gen_random_uuid(), 'w' || n % 20, case when n % 100 = 0 then 'running' else 'succeeded' end,
                   now() - n * interval '1 min', case when n % 100 > 0 then now() - n * interval '1 min' end
            from generate_series(1, 5000) n;
            insert into workflow_steps (id, workflow_id, number, name, kind, state, join_policy, on_failure, calls,
                                        args, kwargs, takes_result, spreads, predecessors, pending, run, total)
            select gen_random_uuid(), w.id, n, 's' || n, 'job',
                   case when w.state = 'running' then 'waiting' else 'succeeded' end, 'all_succeeded', 'fail',
                   '[]', '[]', '{}', true, false, 1, 1, gen_random_uuid(), 1
            from workflows w, generate_series(1, 6) n;
            insert into workflow_edges (from_id, to_id, position)
            select a.id, b.id, 0 from workflow_steps a join workflow_steps b using (workflow_id)
            where b.number = a.number + 1;
            insert into workflow_items (step_id, chunk, items) select id, 0, '[]' from workflow_steps;
            insert into jobs (id, actor, queue, args, kwargs, state, outcome, finished_at, workflow_id, step_run, item,
                              is_reported)
            select gen_random_uuid(), 'a', 'q', '[]', '{}', 'succeeded', 1, now(), workflow_id, run, 0, true
            from workflow_steps where state = 'succeeded';
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
