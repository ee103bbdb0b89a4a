"""The SQL of the jobs of workflows' steps. Whoever ends them for the workflow's sake holds its row, and takes it before
them (LOCK in db/workflows.py)."""

from db.jobs import ASIDE, BACK

# running -> succeeded, of jobs that belong to workflows, which are told in the same transaction: ids, attempts,
# results as JSON or null, worker.
SUCCEED = """
update jobs j set state = 'succeeded', outcome = 1, finished_at = now(), result = r.result::json,
       control = null, control_reason = null, is_reported = true
from unnest($1::uuid[], $2::int[], $3::text[]) as r(id, attempt, result)
where j.id = r.id and j.attempt = r.attempt and coalesce(j.state = 'running' and j.worker = $4, false)
returning j.id, j.workflow_id, j.step_run, j.outcome
"""

# Those of these jobs that have ended and whose workflow has not been told: ids.
REPORT = """
update jobs set is_reported = true where id = any($1::uuid[]) and is_reported = false and outcome is not null
returning id, workflow_id, step_run, outcome
"""

# Jobs that ended and of which no workflow was told: those that other programs, people, the rescuer or the clock ended.
# One that its own transaction ended is left to its worker for as long as that lives: it still brings the result. most
UNREPORTED = """
select j.id, j.workflow_id from jobs j
where j.is_reported = false and j.outcome is not null
  and not (j.state = 'succeeded' and exists (select from workers w where w.id = j.worker))
limit $1
"""

# Jobs of steps: id, actor, queue, args, kwargs, options, priority, max_attempts, seconds of delay, seconds after which
# it expires or null, may its message go to Redis at once, owner, workflow, run of its step, item; as arrays of equal
# length.
INSERT_JOBS = """
insert into jobs (id, actor, queue, args, kwargs, options, priority, max_attempts, run_at, dispatched_at,
                  expires_at, owner, workflow_id, step_run, item, is_reported)
select id, actor, queue, args::json, kwargs::json, options::json, priority, max_attempts,
       now() + make_interval(secs => delay), case when dispatch then now() end,
       now() + make_interval(secs => delay) + make_interval(secs => expires), owner,
       workflow_id, step_run, item, false
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::int[],
            $9::float8[], $10::float8[], $11::bool[], $12::text[], $13::uuid[], $14::uuid[], $15::int[])
     as t(id, actor, queue, args, kwargs, options, priority, max_attempts, delay, expires, dispatch, owner,
          workflow_id, step_run, item)
"""

# queued, waiting, paused -> cancelled, the jobs of a workflow that stops, which is told here: workflows, and which jobs
# of theirs or null for all.
CANCEL_JOBS = """
update jobs set state = 'cancelled', outcome = 3, finished_at = now(), blocked_by = null, resume_at = null,
       is_reported = true, run_at = least(run_at, now()),
       error = json_build_object('type', 'Cancelled', 'message', 'Its workflow stops.')
where workflow_id = any($1::uuid[]) and ($2::uuid[] is null or id = any($2))
  and outcome is null and state in ('queued', 'waiting', 'paused')
returning id, workflow_id, step_run, outcome
"""

# Its running jobs are to be cancelled: workflow, reason.
WANT_JOBS_CANCELLED = """
update jobs set control = 'cancel', control_reason = $2
where workflow_id = $1 and outcome is null and state = 'running'
"""

# What is queued or waits is held, what runs is to stop where it can be gone on with: workflow, reason.
PAUSE_JOBS = """
update jobs set state = case state when 'running' then state else 'paused' end,
       dispatched_at = case state when 'running' then dispatched_at end,
       control = case state when 'running' then coalesce(control, 'pause') end,
       control_reason = case state when 'running' then coalesce(control_reason, $2) end,
       blocked_by = null, {aside}
where workflow_id = $1 and outcome is null and state in ('waiting', 'queued', 'running')
""".replace("{aside}", ASIDE)

# paused -> queued, each when it was due: workflow. What was wanted of those that run is taken back.
RESUME_JOBS = """
update jobs set state = case state when 'paused' then 'queued' else state end, control = null, control_reason = null,
       dispatched_at = case state when 'paused' then null else dispatched_at end, {back}
where workflow_id = $1 and outcome is null and (state = 'paused' or state = 'running' and control = 'pause')
""".replace("{back}", BACK)

# The jobs of failed steps that did not succeed are queued again, and only those count that did and have said so:
# workflow, is it about undos. Where a job has been deleted meanwhile nothing is queued: that step is to be run anew.
QUEUE_FAILED_JOBS = """
with again as (
    update jobs j set state = 'queued', outcome = null, finished_at = null, worker = null, run_at = now(),
           dispatched_at = null, error = null, is_reported = false,
           max_attempts = case when j.max_attempts is not null
                               then j.attempt + greatest(1, j.max_attempts - j.attempt) end
    from workflow_steps s
    where s.workflow_id = $1 and s.state = 'failed' and s.kind in ('job', 'group', 'map')
      and (s.undoes is not null) = $2
      and s.released = (select count(*) from jobs k where k.workflow_id = $1 and k.step_run = s.run)
      and j.workflow_id = $1 and j.step_run = s.run and j.outcome > 1
    returning s.id
)
update workflow_steps s set state = 'running', finished_at = null, error = null, result = null, failed = 0,
       ended = (select count(*) from jobs k
                where k.workflow_id = $1 and k.step_run = s.run and k.outcome = 1 and k.is_reported)
where s.id in (select id from again)
returning s.id
"""
