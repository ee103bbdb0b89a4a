"""The guards of what people do to jobs, of pauses, and of what a run keeps: db/control.py, db/pauses.py and others."""

from db import checkpoints, control, logs, pauses, progress
from tests.guards.frame import Case
from tests.guards.rows import (
    ANOTHER_ATTEMPT,
    ANOTHER_WORKER,
    FAILS,
    JOB,
    LATER,
    ME,
    OF_A_FLOW,
    PAUSES,
    QUEUED,
    RUNNING,
    RUNS,
    SUCCEEDS,
    UNDISPATCHED,
    WORKERS,
    job,
    later_job,
    run_of,
)

WANTED = "update jobs set control = 'cancel';"
LATER_ON = QUEUED + LATER
KEPT = f"""
insert into job_checkpoints (job_id, attempt, data) values ({job}, 1, '1');
insert into job_steps (job_id, name, attempt) values ({job}, 's', 1);
insert into job_progress (job_id, attempt, current, started_current, started_at) values ({job}, 1, 5, 0, now());
"""
FORGETS = """
not exists (select from job_checkpoints) or not exists (select from job_steps) or not exists (select from job_progress)
"""
BLOCKED = (
    QUEUED
    + """
update jobs set state = 'waiting', blocked_by = 'actor:a', run_at = 'infinity', dispatched_at = null;
"""
)
PAUSED = "insert into pauses (kind, name, reason, paused_by) values ('actor', 'a', 'why', 'ada');"
ANOTHER_PAUSED = "update pauses set name = 'another';"
OVER = "update pauses set until = now();"
A_QUEUE_PAUSED = "update pauses set kind = 'queue';"
LINES = f"""
insert into job_logs (job_id, attempt, line, level, logged_at, message)
values ({job}, 1, 1, 20, now(), 'x'), ({job}, 1, 2, 20, now(), 'x');
"""

DRAINED = WORKERS + (
    "insert into pauses (kind, name, reason, paused_by, paused_at)"
    " values ('worker', 'gone', 'why', 'ada', now() - interval '2 h');"
)

CASES = [
    Case(control, "CANCEL", QUEUED, [[JOB], "why"], {
        "outcome is null": RUNS + SUCCEEDS,
        "control is distinct from 'cancel'": RUNS + WANTED,
    }),
    Case(control, "PAUSE", QUEUED, [[JOB], "why"], {
        "state in ('waiting', 'queued', 'running')": PAUSES,
        "control is null": RUNS + WANTED,
    }),
    Case(control, "RESUME", QUEUED + PAUSES, [[JOB]], {"(state = 'paused' or control = 'pause')": RUNS + WANTED}),
    Case(control, "RUN_NOW", LATER_ON, [[JOB]], {
        "state = 'queued'": "update jobs set state = 'waiting', run_at = 'infinity';",
        "run_at > now()": "update jobs set run_at = now();",
    }),
    Case(control, "MOVE", QUEUED, [[JOB], "another", None], {
        "state in ('waiting', 'queued', 'paused')": RUNS,
        "(queue, priority) is distinct from (coalesce($2::text, queue), coalesce($3::smallint, priority))":
            "update jobs set queue = 'another';",
    }),
    Case(control, "RETRY", RUNNING + FAILS, [[JOB], True], {"state in ('failed', 'cancelled')": SUCCEEDS}),
    Case(control, "RETRY", RUNNING + FAILS + KEPT, [[JOB], True], {
        "job_id in (select id from again)": SUCCEEDS,
    }, seen=f"select {FORGETS}"),
    Case(control, "EDIT", QUEUED + UNDISPATCHED, [JOB, "[1]", "{}"], {
        "state = 'queued'": PAUSES,
        "dispatched_at is null": "update jobs set dispatched_at = now();",
    }),
    Case(control, "DELETE", RUNNING + SUCCEEDS, [[JOB]], {
        "outcome is not null": "update jobs set state = 'running', outcome = null, finished_at = null;",
        "(workflow_id is null or not exists (select from workflows w"
        " where w.id = jobs.workflow_id and w.finished_at is null))": OF_A_FLOW,
    }),
    Case(control, "DELETE", RUNNING + SUCCEEDS + OF_A_FLOW, [[JOB]], {
        "w.finished_at is null": "update workflows set state = 'succeeded', finished_at = now();",
    }, acts=False),
    Case(control, "DELETE", RUNNING + SUCCEEDS + LINES, [[JOB]], {
        "job_id in (select id from gone)": "update jobs set state = 'running', outcome = null, finished_at = null;",
    }, seen="select not exists (select from job_logs)"),
    Case(pauses, "BLOCK", QUEUED + PAUSED, [[JOB], [0]], {
        "j.attempt = m.attempt": ANOTHER_ATTEMPT,
        "j.state = 'queued'": PAUSES,
        "p.kind = 'actor'": A_QUEUE_PAUSED,
        "p.name = j.actor": ANOTHER_PAUSED,
        "p.until > now()": OVER,
    }),
    Case(pauses, "GO_ON", BLOCKED, ["a", 10], {
        "blocked_by = 'actor:' || $1": "update jobs set blocked_by = 'limit:a';",
    }),
    Case(pauses, "GO_ON", BLOCKED + PAUSED, ["a", 10], {
        "p.kind = 'actor'": A_QUEUE_PAUSED,
        "p.name = $1": ANOTHER_PAUSED,
        "p.until > now()": OVER,
    }, acts=False),
    Case(pauses, "GOING_ON", BLOCKED + PAUSED, [], {
        "p.kind = 'actor'": A_QUEUE_PAUSED,
        "p.name = substr(blocked_by, 7)": ANOTHER_PAUSED,
        "p.until > now()": OVER,
    }, acts=False),
    Case(pauses, "RESUME", PAUSED, ["actor", "a"], {
        "kind = $1": A_QUEUE_PAUSED,
        "name = $2": ANOTHER_PAUSED,
        "until > now()": OVER,
    }),
    Case(pauses, "PAUSE", PAUSED + OVER, ["actor", "a", "why", "bea", None, None], {
        "p.until <= now()": "update pauses set until = 'infinity';",
    }),
    Case(pauses, "END", PAUSED + OVER, [], {"until <= now()": "update pauses set until = 'infinity';"}),
    Case(pauses, "FORGET_WORKERS", DRAINED, [], {
        "kind = 'worker'": A_QUEUE_PAUSED,
        "paused_at < now() - interval '1 hour'": "update pauses set paused_at = now();",
        "not exists (select from workers w where w.process = p.name)": "update pauses set name = 'me';",
    }),
    Case(pauses, "FORGET_WORKERS", DRAINED + "update pauses set name = 'me';", [], {
        "w.process = p.name": "update pauses set name = 'gone';",
    }, acts=False),
    Case(checkpoints, "SAVE", RUNNING, [[JOB], [1], ["1"], ME], run_of("j.", "c.attempt", "$4")),
    Case(checkpoints, "SAVE", RUNNING + KEPT, [[JOB], [1], ["2"], ME], {
        "job_checkpoints.attempt <= excluded.attempt": "update job_checkpoints set attempt = 2;",
    }),
    Case(checkpoints, "HOLD", RUNNING, [JOB, 1, ME], run_of("", "$2", "$3")),
    Case(checkpoints, "KEEP_ITEMS", RUNNING, [[JOB], [1], ["x"], ME], run_of("j.", "i.attempt", "$4")),
    Case(progress, "WRITE", RUNNING, [[JOB], [1], [1.0], [None], [None], [None], [0.0], [0.0], ME], {
        "j.attempt = p.attempt": ANOTHER_ATTEMPT,
        "j.state in ('running', 'succeeded')": FAILS,
        "j.worker = $9": ANOTHER_WORKER,
    }),
    Case(progress, "WRITE", RUNNING + KEPT, [[JOB], [1], [1.0], [None], [None], [None], [0.0], [0.0], ME], {
        "job_progress.attempt <= excluded.attempt": "update job_progress set attempt = 2;",
    }),
    Case(logs, "WRITE", RUNNING, [[JOB], [1], [1], [20], [0.0], ["x"], [None]], {
        "jobs.id = l.id": f"update jobs set id = {later_job};",
    }),
    Case(logs, "TRIM", RUNNING + LINES, [[JOB], [2], 1, 1_000_000], {
        "l.attempt < r.attempt": "update job_logs set attempt = 2;",
        "(old.lines > $3 or old.bytes > $4)": "delete from job_logs where line = 2;",
    }),
]  # fmt: skip
