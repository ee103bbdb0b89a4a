"""The guards of workflows, of their steps and of the jobs of these."""

from db import workflow_jobs, workflow_steps, workflows
from tests.guards.frame import Case
from tests.guards.rows import (
    BELONGS,
    FAILS,
    FLOW,
    GOES_ON,
    JOB,
    ME,
    NEXT_STEP,
    OTHER_RUN,
    PAUSES,
    QUEUED,
    RUN,
    RUNNING,
    RUNS,
    STEP,
    STEPS,
    SUCCEEDS,
    flow,
    job,
    later_job,
    next_step,
    other_run,
    run,
    run_of,
    step,
)

BEGUN = STEPS + QUEUED + BELONGS
ENDED = BEGUN + RUNS + SUCCEEDS + "update jobs set result = '7';"
FAILED = STEPS + RUNNING + BELONGS + FAILS


def first(change: str) -> str:
    return f"update workflow_steps set {change} where id = {step};"


def second(change: str) -> str:
    return f"update workflow_steps set {change} where id = {next_step};"


def the_flow(change: str) -> str:
    return f"update workflows set {change};"


STEP_FAILED = first("state = 'failed', ended = 1, failed = 1, finished_at = now()")
STEP_SUCCEEDED = first("state = 'succeeded', ended = 1, finished_at = now()")
ANOTHER_RUN = first(f"run = {other_run}")
OLDER_RUN = f"update jobs set step_run = {other_run} where id = {job};"
FAN = first("kind = 'group', total = 2, released = 2, ended = 2")
SECOND_ITEM = f"""
insert into jobs (id, actor, queue, args, kwargs, state, outcome, finished_at, result, workflow_id, step_run, item)
values ({later_job}, 'a', 'q', '[]', '{{}}', 'succeeded', 1, now(), '8', {flow}, {run}, 1);
"""
HEARD = f"update jobs set is_reported = true where id = {later_job};"
CLOSED = the_flow("state = 'succeeded', finished_at = now()")
UNDO = second(f"state = 'held', undoes = {step}")
BOTH = f"where id in ({step}, {next_step})"

CASES = [
    Case(workflow_jobs, "SUCCEED", STEPS + RUNNING + BELONGS, [[JOB], [1], ["1"], ME], run_of("j.", "r.attempt", "$4")),
    Case(workflow_jobs, "REPORT", ENDED, [[JOB]], {
        "is_reported = false": "update jobs set is_reported = true;",
        "outcome is not null": GOES_ON,
    }),
    Case(workflow_jobs, "UNREPORTED", ENDED + "delete from workers;", [10], {
        "j.is_reported = false": "update jobs set is_reported = true;",
        "j.outcome is not null": GOES_ON,
    }),
    Case(workflow_jobs, "UNREPORTED", ENDED, [10], {
        "j.state = 'succeeded'": FAILS,
        "w.id = j.worker": "update jobs set worker = gen_random_uuid();",
    }, acts=False),
    Case(workflow_steps, "COUNT_ENDS", BEGUN, [[RUN], [1], [0]], {
        "s.run = c.run": ANOTHER_RUN,
        "s.state = 'running'": first("state = 'cancelled'"),
    }),
    Case(workflow_steps, "SUCCEED_LATE", ENDED + STEP_FAILED, [[RUN, OTHER_RUN]], {
        "s.state = 'failed'": first("state = 'cancelled'"),
        "s.kind = 'job'": first("kind = 'group'"),
        "j.step_run = s.run": ANOTHER_RUN,
        "j.outcome = 1": FAILS,
    }),
    Case(workflow_steps, "FINISH_JOBS", ENDED, [[STEP]], {
        "s.state = 'running'": first("state = 'skipped'"),
        "j.step_run = s.run": ANOTHER_RUN,
        "j.outcome is not null": GOES_ON,
    }),
    Case(workflow_steps, "FINISH_FANS", ENDED + FAN + SECOND_ITEM, [[STEP], 1_000], {
        "s.state = 'running'": first("state = 'skipped'"),
    }),
    Case(workflow_steps, "FINISH_FANS", ENDED + FAN + SECOND_ITEM, [[STEP], 1_000], {
        "j.step_run = k.run": f"update jobs set step_run = {other_run} where id = {later_job};",
        "j.workflow_id = k.workflow_id": f"update jobs set workflow_id = null where id = {later_job};",
    }, seen=f"select json_array_length(result) = 2 from workflow_steps where id = {step}"),
    # What is too large for a successor fails the step; where nobody takes it, it does not.
    Case(workflow_steps, "FINISH_FANS", ENDED + FAN + SECOND_ITEM, [[STEP], 1], {
        "(t.takes_result or t.kind = 'join')": second("takes_result = false"),
        "e.from_id = k.id": "update workflow_edges set from_id = to_id;",
    }, seen=f"select state = 'failed' from workflow_steps where id = {step}"),
    Case(workflow_steps, "FINISH_FANS", ENDED + FAN + SECOND_ITEM + FAILS + first("failed = 2"), [[STEP], 1_000], {
        "j.outcome > 1": SUCCEEDS.replace(";", f" where id = {job};"),
        "j.step_run = s.run": OLDER_RUN,
    }, seen=f"select error->>'message' like '%first, item 0%' from workflow_steps where id = {step}"),
    Case(workflow_steps, "END", BEGUN, [[STEP], ["cancelled"], [None], [None], [None]], {
        "s.state in ('waiting', 'running')": first("state = 'skipped'"),
    }),
    Case(workflow_steps, "STEP_ENDED", BEGUN, [[STEP], [True]], {"s.state = 'waiting'": second("state = 'cancelled'")}),
    Case(workflow_steps, "READY", BEGUN + STEP_SUCCEEDED + second("pending = 0, hits = 1"), [FLOW], {
        "state = 'waiting'": second("state = 'cancelled'"),
        "case join_policy when 'any_succeeded' then hits > 0 or predecessors = 0"
        " when 'all_done' then pending = 0 else pending = 0 and hits = predecessors end": second("hits = 0"),
    }),
    Case(workflow_steps, "UNFINISHED_FANS", BEGUN + first("kind = 'map', total = 5"), [FLOW], {
        "state = 'running'": first("state = 'cancelled'"),
        "kind in ('group', 'map')": first("kind = 'job'"),
        "released < total": first("released = 5"),
    }),
    Case(workflow_steps, "BEGIN", BEGUN, [[NEXT_STEP], [1]], {
        "s.state in ('waiting', 'held')": second("state = 'cancelled'"),
    }),
    Case(workflows, "STOP", BEGUN, [FLOW, "failing", False, "E", "no", None], {
        "state in ('running', 'paused')": the_flow("state = 'cancelling'"),
    }),
    # It has a job that runs, or it undoes something: it is awaited.
    Case(workflow_steps, "CANCEL_STEPS", BEGUN + second("state = 'succeeded'") + first("released = 0"), [FLOW], {
        "released = 0": first("released = 1"),
        "undoes is null": first(f"undoes = {next_step}"),
        "state = 'running'": first("state = 'succeeded'"),
        "(kind in ('sleep', 'event') or released = 0 and undoes is null)": first("released = 1"),
    }),
    Case(workflow_steps, "CANCEL_STEPS", BEGUN, [FLOW], {
        "state = 'waiting'": second("state = 'succeeded'"),
    }),
    Case(workflow_steps, "CANCEL_STEPS", BEGUN + second("state = 'succeeded'") + first("kind = 'event'"), [FLOW], {
        "kind in ('sleep', 'event')": first("kind = 'job'"),
    }),
    Case(workflow_jobs, "CANCEL_JOBS", BEGUN, [[FLOW], None], {
        "state in ('queued', 'waiting', 'paused')": RUNS,
    }),
    Case(workflow_jobs, "CANCEL_JOBS", BEGUN, [[FLOW], [JOB]], {
        "($2::uuid[] is null or id = any($2))": f"update jobs set id = {later_job};",
    }),
    Case(workflow_jobs, "WANT_JOBS_CANCELLED", BEGUN + RUNS, [FLOW, "why"], {
        "state = 'running'": "update jobs set state = 'queued', worker = null;",
    }),
    Case(workflow_jobs, "PAUSE_JOBS", BEGUN, [FLOW, "why"], {
        "state in ('waiting', 'queued', 'running')": PAUSES,
    }),
    Case(workflow_jobs, "RESUME_JOBS", BEGUN + PAUSES, [FLOW], {
        "(state = 'paused' or state = 'running' and control = 'pause')": "update jobs set state = 'queued';",
    }),
    Case(workflow_jobs, "RESUME_JOBS", BEGUN + RUNS + "update jobs set control = 'pause';", [FLOW], {
        "control = 'pause'": "update jobs set control = 'cancel';",
    }),
    Case(workflows, "PAUSE", BEGUN, [FLOW], {"state = 'running'": the_flow("state = 'failing'")}),
    Case(workflows, "RESUME", BEGUN + the_flow("state = 'paused'"), [FLOW], {
        "state = 'paused'": the_flow("state = 'failing'"),
    }),
    Case(workflows, "AT_REST", BEGUN + f"update workflow_steps set state = 'succeeded' {BOTH};", [[FLOW]], {
        "w.finished_at is null": CLOSED,
        "not exists (select from workflow_steps s where s.workflow_id = w.id and s.state in ('waiting', 'running'))":
            second("state = 'waiting'"),
    }),
    Case(workflows, "AT_REST", BEGUN, [[FLOW]], {
        "s.state in ('waiting', 'running')": f"update workflow_steps set state = 'succeeded' {BOTH};",
    }, acts=False),
    Case(workflows, "CLOSE", BEGUN, [FLOW, "succeeded", None, None, None], {"finished_at is null": CLOSED}),
    Case(workflows, "COMPENSATE", BEGUN + the_flow("state = 'failing'"), [FLOW], {
        "state in ('failing', 'cancelling')": the_flow("state = 'running'"),
    }),
    Case(workflow_steps, "NEXT_UNDO", BEGUN + STEP_SUCCEEDED + UNDO, [FLOW], {
        "s.state = 'held'": second("state = 'succeeded'"),
        "d.state = 'succeeded'": first("state = 'cancelled'"),
    }),
    Case(workflow_steps, "DUE_STEPS", BEGUN + first("due_at = now()"), [10], {
        "due_at <= now()": first("due_at = now() + interval '1 h'"),
    }),
    Case(workflow_steps, "STEPS_DUE", BEGUN + first("due_at = now()"), [[STEP]], {
        "state = 'running'": first("state = 'succeeded'"),
        "due_at <= now()": first("due_at = now() + interval '1 h'"),
    }),
    Case(workflows, "OVERDUE", BEGUN + the_flow("deadline = now()"), [10], {
        "deadline <= now()": the_flow("deadline = now() + interval '1 h'"),
        "state in ('running', 'paused')": the_flow("state = 'failing'"),
    }),
    Case(workflows, "STOPPING", BEGUN + the_flow("state = 'failing'"), [], {
        "w.state in ('failing', 'cancelling')": the_flow("state = 'running'"),
        "j.state in ('queued', 'waiting', 'paused')": RUNS,
    }),
    Case(workflow_steps, "SKIP", BEGUN, [FLOW, "b", "1"], {
        "name = $2": second("name = 'c'"),
        "undoes is null": second(f"undoes = {step}"),
        "(state in ('waiting', 'failed', 'cancelled') or state = 'running' and kind in ('sleep', 'event'))":
            second("state = 'running'"),
    }),
    Case(workflow_steps, "WAITS_FOR", BEGUN + first("kind = 'event', event = 'yes'"), [FLOW, "yes"], {
        "event = $2": first("event = 'no'"),
        "state = 'running'": first("state = 'waiting'"),
    }),
    Case(workflow_jobs, "QUEUE_FAILED_JOBS", FAILED + STEP_FAILED, [FLOW, False], {
        "s.state = 'failed'": first("state = 'cancelled'"),
        "s.kind in ('job', 'group', 'map')": first("kind = 'event'"),
        "(s.undoes is not null) = $2": first(f"undoes = {next_step}"),
        "s.released = (select count(*) from jobs k where k.workflow_id = $1 and k.step_run = s.run)":
            first("released = 2"),
        "j.outcome > 1": SUCCEEDS,
    }),
    Case(workflow_jobs, "QUEUE_FAILED_JOBS", FAILED + STEP_FAILED + SECOND_ITEM, [FLOW, False], {
        "k.step_run = s.run": f"update jobs set step_run = {other_run} where id = {later_job};",
        "k.workflow_id = $1": f"update jobs set workflow_id = gen_random_uuid() where id = {later_job};",
    }, acts=False),
    Case(workflow_jobs, "QUEUE_FAILED_JOBS", FAILED + STEP_FAILED + SECOND_ITEM + first("released = 2"),
         [FLOW, False], {
        "j.step_run = s.run": f"{OLDER_RUN} {first('released = 1')}",
    }),
    Case(workflow_jobs, "QUEUE_FAILED_JOBS", FAILED + STEP_FAILED + SECOND_ITEM + first("released = 2") + HEARD,
         [FLOW, False], {
        "k.outcome = 1": FAILS,
        "k.is_reported": HEARD.replace("true", "false"),
    }, seen=f"select ended = 1 from workflow_steps where id = {step}"),
    Case(workflow_steps, "RESET", BEGUN + STEP_FAILED, [FLOW, []], {
        "(state in ('failed', 'cancelled') or id = any($2::uuid[]))": first("state = 'succeeded'"),
    }),
    Case(workflow_steps, "RESET", BEGUN + STEP_FAILED + first("kind = 'map', spreads = true")
         + f"insert into workflow_items (step_id, chunk, items) values ({step}, 0, '[1]');", [FLOW, []], {
        "s.spreads": first("spreads = false"),
        "s.id in (select id from reset)": first("state = 'running'"),
    }, seen="select not exists (select from workflow_items)"),
    Case(workflow_steps, "RECOUNT", BEGUN + STEP_SUCCEEDED, [FLOW], {"t.state = 'waiting'": second("state = 'held'")}),
    Case(workflows, "REOPEN", BEGUN + CLOSED, [FLOW], {
        "state in ('failed', 'cancelled', 'succeeded')": the_flow("state = 'compensated'"),
    }),
    Case(workflows, "COMPENSATE_AGAIN", BEGUN + the_flow("state = 'failed', finished_at = now(), compensates = true"),
         [FLOW], {
        "state = 'failed'": the_flow("state = 'compensated'"),
        "compensates": the_flow("compensates = false"),
    }),
    Case(workflows, "DELETE_ENDED", BEGUN + CLOSED + the_flow("finished_at = now() - interval '9 d'"),
         [8 * 86_400.0, 8 * 86_400.0, 8 * 86_400.0, 10], {
        "finished_at < now() - make_interval( secs => case state when 'succeeded' then $1::float8"
        " when 'failed' then $3 else $2 end)": the_flow("finished_at = now()"),
    }),
]  # fmt: skip
