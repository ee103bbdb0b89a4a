"""The SQL of workflows. Whoever changes a workflow's steps holds the workflow's row (LOCK), and takes it before any of
its jobs' rows: so two ends never wait for each other, and what one statement reads the next may rely on.

A workflow:

    running ───▶ succeeded                   every step is at rest, and what failed was allowed to
    running ◀──▶ paused                      nothing new begins
    running ───▶ failing ────▶ failed        a step failed, or its time is over: what waits is cancelled
    running ───▶ cancelling ─▶ cancelled     somebody wants so: what runs is cancelled too
    failing, cancelling ─▶ compensating ─▶ compensated      then what was done is undone, the last first
    failed, cancelled ─▶ running             a person retries, skips a step, or runs it again

Their steps are in db/workflow_steps.py, the jobs of these in db/workflow_jobs.py.
"""

# Everything that decides about workflows begins here: ids. In one order, so that two never wait for each other.
LOCK = """
select id, state, owner, compensates from workflows where id = any($1::uuid[]) order by id for update
"""

# running, paused -> failing, cancelling: id, new state, does it compensate, error type, error message, step.
STOP = """
update workflows set state = $2, compensates = $3,
       error = json_build_object('type', $4::text, 'message', $5::text, 'step', $6::text)
where id = $1 and state in ('running', 'paused')
returning id
"""

# running <-> paused: id.
PAUSE = "update workflows set state = 'paused' where id = $1 and state = 'running' returning id"
RESUME = "update workflows set state = 'running' where id = $1 and state = 'paused' returning id"

# Which of these have nothing left that waits or runs: ids.
AT_REST = """
select w.id, w.state, w.compensates from workflows w
where w.id = any($1::uuid[]) and w.finished_at is null
  and not exists (select from workflow_steps s where s.workflow_id = w.id and s.state in ('waiting', 'running'))
"""

# -> ended: id, state, and, if it has gone wrong only now, why: error type, error message, step.
CLOSE = """
update workflows set state = $2, finished_at = clock_timestamp(),
       error = case when $3::text is null then error
                    else json_build_object('type', $3::text, 'message', $4::text, 'step', $5::text) end
where id = $1 and finished_at is null
returning id
"""

# failing, cancelling -> compensating: id.
COMPENSATE = "update workflows set state = 'compensating' where id = $1 and state in ('failing', 'cancelling')"

# Those past their deadline: most.
OVERDUE = """
select id from workflows where deadline is not null and deadline <= now() and finished_at is null
  and state in ('running', 'paused') order by deadline limit $1
"""

# Those that stop and have jobs which have not begun.
STOPPING = """
select w.id from workflows w where w.state in ('failing', 'cancelling')
  and exists (select from jobs j where j.workflow_id = w.id and j.outcome is null
              and j.state in ('queued', 'waiting', 'paused'))
"""

# Seconds until the next deadline, or until the next sleep or wait is over.
NEXT_DUE = """
select extract(epoch from least((select min(due_at) from workflow_steps where due_at is not null),
                                (select min(deadline) from workflows
                                 where deadline is not null and finished_at is null
                                   and state in ('running', 'paused'))) - now())::float8
"""

# A workflow: id, name, owner, idempotency key, seconds until its deadline or null, the job that starts it or null. No
# row if its key is taken.
INSERT = """
insert into workflows (id, name, owner, idempotency_key, deadline, parent_id)
values ($1, $2, $3, $4, now() + make_interval(secs => $5), $6)
on conflict (coalesce(owner, ''), idempotency_key) where idempotency_key is not null do nothing
returning id
"""
BY_KEY = """
select id from workflows where coalesce(owner, '') = coalesce($1::text, '') and idempotency_key = $2
"""

# Does it undo what was done, once it has stopped: workflow.
IS_SAGA = """
select exists (select from workflow_steps where workflow_id = $1 and on_failure = 'compensate')
"""

# -> running again: id.
REOPEN = """
update workflows set state = 'running', finished_at = null, error = null, compensates = false, deadline = null
where id = $1 and state in ('failed', 'cancelled', 'succeeded')
returning id
"""

# A person looked after an undo that failed: undoing goes on: id.
COMPENSATE_AGAIN = """
update workflows set state = 'compensating', finished_at = null where id = $1 and state = 'failed' and compensates
returning id
"""

# What people see of a list's workflows: ids.
PROGRESS = """
select workflow_id, count(*) as steps,
       count(*) filter (where state not in ('waiting', 'running')) as ended,
       count(*) filter (where state = 'failed') as failed,
       coalesce(sum(total) filter (where kind in ('group', 'map')), 0) as items,
       coalesce(sum(ended) filter (where kind in ('group', 'map')), 0) as items_ended
from workflow_steps where workflow_id = any($1::uuid[]) and undoes is null group by workflow_id
"""

# What has started these workflows, and the schedule that it ran for: jobs.
STARTED_BY = """
select p.id, j.actor, j.owner, e.schedule_id, e.schedule
from unnest($1::uuid[]) p(id)
left join jobs j on j.id = p.id
left join lateral (select schedule_id, schedule from scheduled_job_executions where job_id = p.id limit 1) e on true
"""

# Ended workflows past their retention: seconds for succeeded, cancelled and failed ones, most. All of theirs goes
# along.
DELETE_ENDED = """
delete from workflows where id = any(array(
    select id from workflows
    where finished_at < now() - make_interval(
        secs => case state when 'succeeded' then $1::float8 when 'failed' then $3 else $2 end)
    order by finished_at limit $4 for update skip locked
))
"""
