"""The guards of what happens to a job, from db/jobs.py."""

from db import jobs
from tests.guards.frame import Case
from tests.guards.rows import (
    ANOTHER_ATTEMPT,
    ANOTHER_WORKER,
    BELONGS,
    FAILS,
    JOB,
    LATER,
    ME,
    OF_A_FLOW,
    PAUSES,
    QUEUED,
    RUNNING,
    RUNS,
    STEPS,
    SUCCEEDS,
    UNDISPATCHED,
    job,
    later_job,
    me,
    other_run,
    run_of,
)

LATE = "update jobs set expires_at = now() - interval '1 s';"
KEYED = QUEUED + UNDISPATCHED + "update jobs set unique_key = 'k', unique_until_start = true;"
KEY_LIVES = f"""
update jobs set unique_key = 'k';
insert into jobs (id, actor, queue, args, kwargs, unique_key) values ({later_job}, 'a', 'q', '[]', '{{}}', 'k');
"""
ENDED_LONG_AGO = RUNNING + SUCCEEDS + "update jobs set finished_at = now() - interval '8 d';"
COUNTED = STEPS + BELONGS + "update jobs set is_reported = true;"  # by a step that goes on

CASES = [
    Case(jobs, "CLAIM", QUEUED, [[JOB], [0], ME], {
        "id = $3": f"delete from workers where id = {me};",
        "j.attempt = m.attempt": ANOTHER_ATTEMPT,
        "j.state = 'queued'": PAUSES,
        "j.run_at <= now()": LATER,
        "(j.expires_at is null or j.expires_at > now() or j.started_at is not null)": LATE,
    }),
    Case(jobs, "CLAIMED", RUNNING, [[JOB], [0], ME], {
        "j.attempt = m.attempt + 1": ANOTHER_ATTEMPT,
        "j.state = 'running'": SUCCEEDS,
        "j.worker = $3": ANOTHER_WORKER,
    }),
    Case(jobs, "SUCCEED", RUNNING, [[JOB], [1], ["1"], ME], run_of("j.", "r.attempt", "$4")),
    Case(jobs, "SUCCEED_WITH_WORK", RUNNING, [JOB, 1, ME], run_of("", "$2", "$3")),
    Case(jobs, "SUCCEEDED_WITH_WORK", RUNNING + SUCCEEDS, [JOB, 1, ME], {
        "attempt = $2": ANOTHER_ATTEMPT,
        "worker = $3": ANOTHER_WORKER,
    }),
    Case(jobs, "STORE_RESULT", RUNNING + SUCCEEDS, [JOB, 1, ME, "1"], {
        "attempt = $2": ANOTHER_ATTEMPT,
        "state = 'succeeded'": FAILS,
        "worker = $3": ANOTHER_WORKER,
    }),
    Case(jobs, "FAIL", RUNNING, [[JOB], [1], ["E"], ["no"], [""], [None], ME], run_of("j.", "f.attempt", "$7")),
    Case(jobs, "CANCEL_RUNNING", RUNNING, [[JOB], [1], ["why"], ME], run_of("j.", "c.attempt", "$4")),
    Case(jobs, "RELEASE", RUNNING, [[JOB], [1], [0.0], ME], run_of("j.", "r.attempt", "$4")),
    Case(jobs, "CONTROLLED", RUNNING + "update jobs set control = 'cancel';", [ME], {
        "control is not null": "update jobs set control = null;",
        "worker = $1": ANOTHER_WORKER,
    }),
    Case(jobs, "PUT_OFF", QUEUED, [[JOB], [0], 60.0, 3_600.0], {
        "j.attempt = p.attempt": ANOTHER_ATTEMPT,
        "j.state = 'queued'": PAUSES,
    }),
    Case(jobs, "QUEUE_AGAIN", RUNNING + FAILS, [[JOB]], {
        "state in ('failed', 'cancelled')": SUCCEEDS,
        "(unique_key is null or not exists (select from jobs l"
        " where l.unique_key = jobs.unique_key and l.outcome is null))": KEY_LIVES,
        "(is_reported is not true or not exists (select from workflow_steps s"
        " where s.run = jobs.step_run and s.state = 'running'))": COUNTED,
    }),
    Case(jobs, "QUEUE_AGAIN", RUNNING + FAILS + COUNTED, [[JOB]], {
        "s.run = jobs.step_run": f"update workflow_steps set run = {other_run} where released = 1;",
        "s.state = 'running'": "update workflow_steps set state = 'failed';",
    }, acts=False),
    Case(jobs, "QUEUE_AGAIN", RUNNING + FAILS + KEY_LIVES, [[JOB]], {
        "l.unique_key = jobs.unique_key": f"update jobs set unique_key = 'another' where id = {later_job};",
        "l.outcome is null": FAILS,
    }, acts=False),
    Case(jobs, "UNDISPATCH", QUEUED, [[JOB], [0]], {
        "j.attempt = u.attempt": ANOTHER_ATTEMPT,
        "j.state = 'queued'": PAUSES,
        "j.dispatched_at is not null": UNDISPATCHED,
    }),
    Case(jobs, "DISPATCH", QUEUED + UNDISPATCHED, ["q", 0, 10], {
        "queue = $1": "update jobs set queue = 'another';",
        "priority = $2": "update jobs set priority = 1;",
        "run_at <= now()": LATER,
        "state = 'queued'": PAUSES,
        "dispatched_at is null": "update jobs set dispatched_at = now();",
    }),
    Case(jobs, "UNCLAIMED", QUEUED + "update jobs set dispatched_at = now() - interval '1 min';", ["q", 5.0, 10, 10], {
        "queue = $1": "update jobs set queue = 'another';",
        "j.run_at <= now()": LATER,
        "j.state = 'queued'": PAUSES,
        "o.dispatched_at < now() - make_interval(secs => $2)": "update jobs set dispatched_at = now();",
    }),
    Case(jobs, "EXPIRE", QUEUED + LATE, [10], {
        "expires_at <= now()": "update jobs set expires_at = now() + interval '1 h';",
        "state in ('waiting', 'queued')": PAUSES,
        "started_at is null": "update jobs set started_at = now();",
    }),
    Case(jobs, "DEBOUNCE", KEYED, ["k", "[]", "{}", 30.0, None], {
        "unique_key = $1": "update jobs set unique_key = 'another';",
        "unique_until_start": "update jobs set unique_until_start = null;",
        "state in ('queued', 'waiting', 'paused')": RUNS,
        "dispatched_at is null": "update jobs set dispatched_at = now();",
    }),
    Case(jobs, "LET_GO", KEYED + "update jobs set dispatched_at = now();", ["k"], {
        "unique_key = $1": "update jobs set unique_key = 'another';",
        "outcome is null": FAILS,
        "unique_until_start": "update jobs set unique_until_start = null;",
        "dispatched_at is not null": UNDISPATCHED,
    }),
    Case(jobs, "OPEN_WINDOW", f"insert into unique_windows values ('k', {job}, now() - interval '1 s');",
         ["k", ME, 60.0], {
        "w.until <= now()": "update unique_windows set until = now() + interval '1 s';",
    }),
    Case(jobs, "CLOSE_WINDOWS", f"insert into unique_windows values ('k', {job}, now() - interval '1 s');", [10], {
        "until <= now()": "update unique_windows set until = now() + interval '1 s';",
    }),
    Case(jobs, "DELETE_ENDED", ENDED_LONG_AGO, [1, 7 * 86_400.0, 10], {
        "outcome = $1": FAILS.replace("now()", "finished_at"),
        "finished_at < now() - make_interval(secs => $2)": "update jobs set finished_at = now();",
        "(workflow_id is null or not exists (select from workflows w"
        " where w.id = j.workflow_id and w.finished_at is null))": OF_A_FLOW,
    }),
    Case(jobs, "DELETE_ENDED", ENDED_LONG_AGO + OF_A_FLOW, [1, 7 * 86_400.0, 10], {
        "w.finished_at is null": "update workflows set state = 'succeeded', finished_at = now();",
    }, acts=False),
    Case(jobs, "LIVE_BY_UNIQUE_KEY", KEYED, ["k"], {"outcome is null": FAILS}),
]  # fmt: skip
