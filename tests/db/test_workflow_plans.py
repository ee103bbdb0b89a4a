"""The statements of workflows find their rows by an index, however many workflows and jobs there are."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from db import workflows
from runtime.client import Client
from tests.db.test_plans import nodes

ME, SOME_ID = uuid.UUID(int=1), uuid.UUID(int=2)
LARGE = ("jobs", "workflows", "workflow_steps", "workflow_edges", "workflow_items")
SOME = [SOME_ID] * 20

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "LOCK": (workflows.LOCK, [SOME]),
    "SUCCEED": (workflows.SUCCEED, [SOME, [1] * 20, ["1"] * 20, ME]),
    "REPORT": (workflows.REPORT, [SOME]),
    "UNREPORTED": (workflows.UNREPORTED, [500]),
    "COUNT_ENDS": (workflows.COUNT_ENDS, [SOME, [1] * 20, [0] * 20]),
    "FINISH_JOBS": (workflows.FINISH_JOBS, [SOME]),
    "FINISH_FANS": (workflows.FINISH_FANS, [SOME, 1_000]),
    "STEP_ENDED": (workflows.STEP_ENDED, [SOME, [True] * 20]),
    "PASSED": (workflows.PASSED, [SOME]),
    "ITEMS": (workflows.ITEMS, [SOME_ID, 0, 3]),
    "RELEASED": (workflows.RELEASED, [SOME, [1] * 20]),
    "READY": (workflows.READY, [SOME_ID]),
    "SUCCEED_LATE": (workflows.SUCCEED_LATE, [SOME]),
    "END": (workflows.END, [SOME, ["cancelled"] * 20, [None] * 20, [None] * 20, [None] * 20]),
    "UNFINISHED_FANS": (workflows.UNFINISHED_FANS, [SOME_ID]),
    "BEGIN": (workflows.BEGIN, [SOME, [1] * 20]),
    "EVENTS": (workflows.EVENTS, [SOME]),
    "STOP": (workflows.STOP, [SOME_ID, "failing", False, "E", "no", None]),
    "CANCEL_STEPS": (workflows.CANCEL_STEPS, [SOME_ID]),
    "WANT_JOBS_CANCELLED": (workflows.WANT_JOBS_CANCELLED, [SOME_ID, "why"]),
    "PAUSE_JOBS": (workflows.PAUSE_JOBS, [SOME_ID, "why"]),
    "RESUME_JOBS": (workflows.RESUME_JOBS, [SOME_ID]),
    "PAUSE": (workflows.PAUSE, [SOME_ID]),
    "RESUME": (workflows.RESUME, [SOME_ID]),
    "CLOSE": (workflows.CLOSE, [SOME_ID, "succeeded", None, None, None]),
    "COMPENSATE": (workflows.COMPENSATE, [SOME_ID]),
    "NEXT_UNDO": (workflows.NEXT_UNDO, [SOME_ID]),
    "STEPS_DUE": (workflows.STEPS_DUE, [SOME]),
    "NEXT_DUE": (workflows.NEXT_DUE, []),
    "SET_TOTAL": (workflows.SET_TOTAL, [SOME_ID, 1]),
    "SKIP": (workflows.SKIP, [SOME_ID, "a", "1"]),
    "STEP": (workflows.STEP, [SOME_ID, "a"]),
    "IS_SAGA": (workflows.IS_SAGA, [SOME_ID]),
    "RECEIVE": (workflows.RECEIVE, [SOME_ID, "yes", "1", "ada"]),
    "WAITS_FOR": (workflows.WAITS_FOR, [SOME_ID, "yes"]),
    "EVENT_NAMES": (workflows.EVENT_NAMES, [SOME_ID]),
    "QUEUE_FAILED_JOBS": (workflows.QUEUE_FAILED_JOBS, [SOME_ID, False]),
    "RESET": (workflows.RESET, [SOME_ID, []]),
    "RECOUNT": (workflows.RECOUNT, [SOME_ID]),
    "REOPEN": (workflows.REOPEN, [SOME_ID]),
    "COMPENSATE_AGAIN": (workflows.COMPENSATE_AGAIN, [SOME_ID]),
    "CURRENT": (workflows.CURRENT, [SOME]),
    "CANCEL_JOBS": (workflows.CANCEL_JOBS, [SOME, None]),
    "AT_REST": (workflows.AT_REST, [SOME]),
    "DUE_STEPS": (workflows.DUE_STEPS, [500]),
    "OVERDUE": (workflows.OVERDUE, [500]),
    "STOPPING": (workflows.STOPPING, []),
    "BY_KEY": (workflows.BY_KEY, ["ada", "key"]),
    "AFTER": (workflows.AFTER, [SOME_ID]),
    "PROGRESS": (workflows.PROGRESS, [SOME]),
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
        scans = [node for node in nodes(rows[0][0][0]["Plan"]) if node["Node Type"] == "Seq Scan"]
        if any(scan.get("Relation Name") in LARGE for scan in scans):
            slow[name] = rows[0][0]
    assert slow == {}
