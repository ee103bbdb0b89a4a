"""The rows of which the scenes are made."""

import uuid


def made(number: int) -> tuple[uuid.UUID, str]:
    """An id, as a value and as SQL."""
    value = uuid.UUID(int=number)
    return value, f"'{value}'"


ME, me = made(1)
OTHER, other = made(2)
JOB, job = made(10)
LATER_JOB, later_job = made(11)
FLOW, flow = made(20)
STEP, step = made(21)
NEXT_STEP, next_step = made(22)
RUN, run = made(31)
OTHER_RUN, other_run = made(32)
SCHEDULE, schedule = made(40)
EXECUTION, execution = made(41)
OTHER_EXECUTION, other_execution = made(42)

# Two workers, and a job in each of its states; its message, if it has one, is for the attempt that it has.
WORKERS = f"""
insert into workers (id, host, pid, process, queues, async_slots, threads, version)
values ({me}, 'h', 1, 'me', '{{q}}', 1, 1, '0'), ({other}, 'h', 2, 'other', '{{q}}', 1, 1, '0');
"""
QUEUED = (
    WORKERS
    + f"""
insert into jobs (id, actor, queue, args, kwargs, max_attempts, run_at, dispatched_at)
values ({job}, 'a', 'q', '[]', '{{}}', 3, now() - interval '1 s', now());
"""
)
RUNS = f"update jobs set state = 'running', attempt = 1, worker = {me}, started_at = now();"
RUNNING = QUEUED + RUNS
SUCCEEDS = "update jobs set state = 'succeeded', outcome = 1, finished_at = now(), control = null;"
FAILS = "update jobs set state = 'failed', outcome = 2, finished_at = now(), control = null;"
PAUSES = "update jobs set state = 'paused';"
GOES_ON = "update jobs set state = 'running', outcome = null, finished_at = null;"  # it has not ended after all
UNDISPATCHED = "update jobs set dispatched_at = null;"
LATER = "update jobs set run_at = now() + interval '1 h';"
ANOTHER_JOB = f"""
insert into jobs (id, actor, queue, args, kwargs, run_at, dispatched_at)
values ({later_job}, 'a', 'q', '[]', '{{}}', now() - interval '1 s', now());
"""

OF_A_FLOW = f"insert into workflows (id, name) values ({flow}, 'w'); update jobs set workflow_id = {flow};"

# A workflow: a step of one job runs, and another waits for it.
STEPS = f"""
insert into workflows (id, name) values ({flow}, 'w');
insert into workflow_steps (id, workflow_id, number, name, kind, state, join_policy, on_failure, calls, args, kwargs,
                            takes_result, spreads, predecessors, pending, run, total, released)
values ({step}, {flow}, 1, 'a', 'job', 'running', 'all_succeeded', 'fail', '[]', '[]', '{{}}', true, false, 0, 0, {run},
        1, 1),
       ({next_step}, {flow}, 2, 'b', 'job', 'waiting', 'all_succeeded', 'fail', '[]', '[]', '{{}}', true, false, 1, 1,
        gen_random_uuid(), 1, 0);
insert into workflow_edges (from_id, to_id, position) values ({step}, {next_step}, 0);
"""
BELONGS = f"update jobs set workflow_id = {flow}, step_run = {run}, item = 0, is_reported = false;"

# What makes a run another's, or over.
ANOTHER_ATTEMPT = "update jobs set attempt = attempt + 1;"
ANOTHER_WORKER = f"update jobs set worker = {other};"


def run_of(prefix: str, attempt: str, worker: str) -> dict[str, str]:
    """The three guards of what ends a run: with a prefix, against that attempt and that worker."""
    return {
        f"{prefix}attempt = {attempt}": ANOTHER_ATTEMPT,
        f"{prefix}state = 'running'": FAILS,
        f"{prefix}worker = {worker}": ANOTHER_WORKER,
    }


# Who leads: ME, in term 7.
LEADS = f"insert into leases (name, holder, term, expires_at) values ('scheduling', {me}, 7, now() + interval '1 min');"


def leader(holder: str, term: str) -> dict[str, str]:
    return {
        "name = 'scheduling'": "update leases set name = 'something else';",
        f"holder = {holder}": f"update leases set holder = {other};",
        f"term = {term}": "update leases set term = 8;",
        "expires_at > now()": "update leases set expires_at = now() - interval '1 s';",
    }
