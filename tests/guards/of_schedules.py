"""The guards of what fires schedules: db/schedules.py."""

import uuid
from datetime import UTC, datetime, timedelta

from db import schedules
from tests.guards.frame import Case
from tests.guards.rows import (
    EXECUTION,
    FAILS,
    GOES_ON,
    LEADS,
    ME,
    QUEUED,
    RUNS,
    SCHEDULE,
    execution,
    job,
    leader,
    other_execution,
    schedule,
)

PLANNED, HOUR = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
SCHEDULED = (
    LEADS
    + f"""
insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, next_run_at, created_by,
                            updated_by)
values ({schedule}, 's', 'a', 'interval', '{{}}', '[]', '{PLANNED}', 'ada', 'ada');
"""
)
FIRED = (
    SCHEDULED
    + QUEUED
    + RUNS
    + f"""
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by)
values ({execution}, {schedule}, 's', '{PLANNED}', 'fired', {job}, 'schedule');
"""
)
WAITING = (
    FIRED
    + f"""
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, triggered_by)
values ({other_execution}, {schedule}, 's', now(), 'waiting', 'schedule');
"""
)
SKIPPED = (
    SCHEDULED
    + f"""
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, reason, triggered_by)
values ({other_execution}, {schedule}, 's', '{PLANNED}', 'skipped', 'x', 'schedule');
"""
)


def the_schedule(change: str) -> str:
    return f"update scheduled_jobs set {change};"


def the_first(change: str) -> str:
    return f"update scheduled_job_executions set {change} where id = {execution};"


def the_waiting(change: str) -> str:
    return f"update scheduled_job_executions set {change} where id = {other_execution};"


OFF = SCHEDULED + the_schedule("off_until = now() - interval '1 s', off_by = 'ada'")

CASES = [
    Case(schedules, "DUE", SCHEDULED, [ME, 7, 10], {
        "s.next_run_at <= now()": the_schedule("next_run_at = now() + interval '1 h'"),
        "(s.parked_until is null or s.parked_until <= now())": the_schedule("parked_until = now() + interval '1 h'"),
        **leader("$1", "$2"),
    }),
    # Whether a job that it made runs still, and whether a run waits for that.
    Case(schedules, "DUE", FIRED, [ME, 7, 10], {
        "e.status = 'fired'": the_first("status = 'unknown'"),
        "j.outcome is null": FAILS,
    }, seen=lambda rows: rows[0]["running"]),
    Case(schedules, "DUE", WAITING + the_schedule("overlap = 'queue_one'"), [ME, 7, 10], {
        "e.status = 'waiting'": the_waiting("status = 'skipped', reason = 'x'"),
    }, seen=lambda rows: rows[0]["waiting"]),
    Case(schedules, "ADVANCE", SCHEDULED, [[SCHEDULE], [PLANNED], [None], [1], [PLANNED]], {
        "s.next_run_at = a.was": the_schedule("next_run_at = now()"),
    }),
    Case(schedules, "GO_ON", OFF, [], {
        "off_until <= now()": the_schedule("off_until = now() + interval '1 h'"),
    }),
    Case(schedules, "BACKFILL", SKIPPED, [[EXECUTION], SCHEDULE, "s", [PLANNED], "ada", PLANNED + HOUR], {
        "e.status = 'skipped'": the_waiting("status = 'succeeded'"),
        "coalesce(e.planned_until, e.planned_at) <= $6": the_waiting(f"planned_until = '{PLANNED + 2 * HOUR}'"),
    }),
    Case(schedules, "READY", WAITING + FAILS, [ME, 7, 10], {
        "e.status = 'waiting'": the_waiting("status = 'skipped', reason = 'x'"),
        "not exists ( select from scheduled_job_executions r join jobs j on j.id = r.job_id"
        " where r.schedule_id = e.schedule_id and r.status = 'fired' and j.outcome is null)": GOES_ON,
        **leader("$1", "$2"),
    }),
    Case(schedules, "READY", WAITING, [ME, 7, 10], {
        "r.schedule_id = e.schedule_id": the_first("schedule_id = gen_random_uuid()"),
        "r.status = 'fired'": the_first("status = 'unknown'"),
        "j.outcome is null": FAILS,
    }, acts=False),
    Case(schedules, "LIVE_JOBS", FIRED, [[SCHEDULE]], {
        "e.status = 'fired'": the_first("status = 'unknown'"),
        "j.outcome is null": FAILS,
    }),
    Case(schedules, "DROP_WAITING", WAITING, [SCHEDULE, "why"], {
        "status = 'waiting'": the_waiting("status = 'cancelled'"),
    }),
    Case(schedules, "SETTLE", FIRED + FAILS, [uuid.UUID(int=0), 10], {
        "status = 'fired'": the_first("status = 'unknown'"),
        "(j.id is null or j.outcome is not null)": GOES_ON,
    }, seen="select status <> 'unknown' and ended_at is not null from scheduled_job_executions"),
    Case(schedules, "DELETE_OLD", FIRED + the_first("status = 'unknown'"), [86_400.0, 10], {
        "planned_at < now() - make_interval(secs => $1)": the_first("planned_at = now()"),
        "status not in ('waiting', 'fired')": the_first("status = 'fired'"),
    }),
]  # fmt: skip
