"""The guards of limits: db/limits.py."""

from db import limits
from tests.guards.frame import Case
from tests.guards.rows import (
    ANOTHER_ATTEMPT,
    ANOTHER_JOB,
    FAILS,
    JOB,
    LATER,
    LATER_JOB,
    ME,
    PAUSES,
    QUEUED,
    RUNNING,
    job,
    later_job,
    me,
)

ONE_AT_A_TIME = "insert into limits (key, concurrency) values ('k', 1);"
TWO_AT_A_TIME = "insert into limits (key, concurrency) values ('k', 2);"
GRANTED = f"insert into limit_grants (job_id, key, attempt) values ({job}, 'k', 1);"
SET_OTHERWISE = "insert into limits (key, concurrency, set_by, set_at, set_reason) values ('k', 1, 'ana', now(), 'w');"
IDLE = "insert into limits (key, used_at) values ('k', now() - interval '3 d');"
WAITS = f"""
update jobs set state = 'waiting', blocked_by = 'limit:k', run_at = 'infinity', dispatched_at = null where id = {job};
"""
TAKEN = (
    ANOTHER_JOB
    + f"""
update jobs set state = 'running', attempt = 1, worker = {me}, started_at = now() where id = {later_job};
insert into limit_grants (job_id, key, attempt) values ({later_job}, 'k', 1);
"""
)
RUNS_NOW = f"select state = 'running' from jobs where id = {job}"
COMES = [["k"], [JOB], [0], ["k"], ME]
NOBODY_COMES = [["k"], [], [], [], None]
BOTH_COME = [["k"], [JOB, LATER_JOB], [0, 0], ["k", "k"], ME]

CASES = [
    Case(limits, "TIDY", RUNNING + ONE_AT_A_TIME + GRANTED, [["k"]], {
        "j.state = 'running'": FAILS,
        "j.attempt = g.attempt": ANOTHER_ATTEMPT,
    }, acts=False),
    Case(limits, "TIDY", QUEUED + ONE_AT_A_TIME + GRANTED, [["k"]], {
        "j.state = 'queued'": PAUSES,
        "j.attempt = g.attempt - 1": "update jobs set attempt = 3;",
        "g.granted_at > clock_timestamp() - interval '30 seconds'":
            "update limit_grants set granted_at = now() - interval '31 s';",
    }, acts=False),
    Case(limits, "TIDY", """
        insert into limits (key, rate, per) values ('k', 1, 10);
        insert into limit_starts (key, started_at, jobs) values ('k', now() - interval '11 s', 1);
    """, [["k"]], {
        "s.started_at <= clock_timestamp() - make_interval(secs => coalesce(l.per, 0))":
            "update limit_starts set started_at = now();",
    }, seen="select not exists (select from limit_starts)"),
    Case(limits, "GRANT", QUEUED + ONE_AT_A_TIME, COMES, {
        "id = $5::uuid": f"delete from workers where id = {me};",
        "j.attempt = m.attempt": ANOTHER_ATTEMPT,
        "j.state = 'queued'": PAUSES,
        "j.run_at <= clock.at": LATER,
        "(j.expires_at is null or j.expires_at > clock.at or j.started_at is not null)":
            "update jobs set expires_at = now() - interval '1 s';",
        "r.wins": TAKEN,
    }, seen=RUNS_NOW),
    # One that was promised its run finds its own promise no hindrance.
    Case(limits, "GRANT", QUEUED + ANOTHER_JOB + ONE_AT_A_TIME + GRANTED, [["k"], [LATER_JOB], [0], ["k"], ME], {
        "not exists (select from came where came.id = g.job_id and is_granted)":
            f"update limit_grants set job_id = {later_job};",
    }, acts=False, seen=f"select state = 'running' from jobs where id = {later_job}"),
    # A promise of another key, or for another run, puts nobody first.
    Case(limits, "GRANT", QUEUED + ANOTHER_JOB + ONE_AT_A_TIME + GRANTED.replace(job, later_job), BOTH_COME, {
        "g.key = m.key": "update limit_grants set key = 'another';",
    }, acts=False, seen=RUNS_NOW),
    Case(limits, "GRANT", QUEUED + ANOTHER_JOB + TWO_AT_A_TIME + GRANTED.replace(job, later_job), BOTH_COME, {
        "g.attempt = j.attempt + 1": "update limit_grants set attempt = 7;",
    }, seen=f"select state = 'running' from jobs where id = {later_job}"),
    # One that waits is sent, not run by whoever decides.
    Case(limits, "GRANT", QUEUED + ONE_AT_A_TIME, COMES, {"r.has_come": WAITS}, seen=RUNS_NOW),
    # It is said of which keys some still wait, and of no others.
    Case(limits, "GRANT", QUEUED + ONE_AT_A_TIME + TAKEN + WAITS + "update limits set due_at = now();", NOBODY_COMES, {
        "is_waiting": f"delete from jobs where id = {job};",
    }),
    Case(limits, "GRANT", QUEUED + "insert into limits (key, rate, per) values ('k', 1, 10);", COMES, {
        "r.rate is not null": "update limits set rate = null;",
    }, seen="select exists (select from limit_starts)"),
    Case(limits, "SET", ONE_AT_A_TIME, ["k", 2, None, None, "ana", "why"], {
        "(concurrency is not null or $2::int is null)": "update limits set concurrency = null;",
    }),
    Case(limits, "SET", "insert into limits (key, rate, per) values ('k', 1, 10);", ["k", None, 2, 10, "ana", "why"], {
        "(rate is not null or $3::int is null)": "update limits set rate = null;",
    }),
    Case(limits, "RESET", SET_OTHERWISE, ["k"], {
        "set_by is not null": "update limits set set_by = null, set_at = null, set_reason = null;",
    }),
    Case(limits, "FREED", "insert into limits (key, due_at) values ('k', now());", [["k"]], {
        "due_at is not null": "update limits set due_at = null;",
    }),
    Case(limits, "LOOK_AGAIN", "insert into limits (key, due_at) values ('k', now());" + GRANTED, [[JOB]], {
        "due_at is not null": "update limits set due_at = null;",
        "job_id = any($1::uuid[])": f"update limit_grants set job_id = {later_job};",
    }),
    Case(limits, "DUE", "insert into limits (key, due_at) values ('k', now());", [10], {
        "due_at <= clock_timestamp()": "update limits set due_at = now() + interval '1 h';",
    }),
    Case(limits, "FORGET", IDLE, ["", 10], {
        "l.due_at is null": "update limits set due_at = now();",
        "l.set_by is null": "update limits set set_by = 'ana', set_at = now(), set_reason = 'why';",
        "l.used_at < now() - interval '1 day' - make_interval(secs => coalesce(l.per, 0))":
            "update limits set used_at = now();",
    }, seen="select not exists (select from limits)"),
    Case(limits, "FORGET", IDLE + RUNNING + GRANTED, ["", 10], {
        "g.key = l.key": "update limit_grants set key = 'another';",
        "g.attempt = j.attempt": ANOTHER_ATTEMPT,
        "j.state = 'running'": FAILS,
    }, acts=False, seen="select not exists (select from limits where key = 'k')"),
]  # fmt: skip
