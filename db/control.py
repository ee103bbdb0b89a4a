"""The SQL of what people and programs do to jobs from outside of their runs.

Each statement takes many ids and returns those it has done something to, with their new states; the others were in a
state in which it makes no sense, or somebody else was faster. One that runs is not ours to change: what is wanted of it
is written down (`control`), its worker is told, and the run's own end obeys (`leave` in db/jobs.py).

They take their jobs in the order of the ids, so that two of them never wait for each other. The engine's statements
take theirs as they come: should PostgreSQL have to end one of those for another's sake, it is tried again.
"""

from db.jobs import ASIDE, BACK, IN_ORDER, QUEUE_AGAIN

# Makes a message of this job that may still lie in Redis an old one, by which nobody claims: as if there had been a
# run, which uses up no attempt.
_OUTDATE = "attempt = attempt + {n}, releases = releases + {n}, max_attempts = max_attempts + {n}"

# waiting, queued, paused -> cancelled, at once and for good; of those that run it is wanted: ids, reason.
CANCEL = """
update jobs set
    state = case state when 'running' then state else 'cancelled' end,
    outcome = case state when 'running' then outcome else 3 end,
    finished_at = case state when 'running' then finished_at else now() end,
    error = case state when 'running' then error
                       else json_build_object('type', 'Cancelled', 'message', $2::text) end,
    control = case state when 'running' then 'cancel' end,
    control_reason = case state when 'running' then $2::text end,
    blocked_by = null, resume_at = null,
    run_at = case when run_at = 'infinity' then coalesce(resume_at, now()) else run_at end
where {in_order} and outcome is null and control is distinct from 'cancel'
returning id, state
""".replace("{in_order}", IN_ORDER)

# waiting, queued -> paused at once; of those that run it is wanted, unless they are to be cancelled: ids, reason.
PAUSE = (
    """
update jobs set
    state = case state when 'running' then state else 'paused' end,
    {outdate},
    dispatched_at = case state when 'running' then dispatched_at end,
    control = case state when 'running' then 'pause' end,
    control_reason = case state when 'running' then $2::text end,
    blocked_by = null, {aside}
where {in_order} and state in ('waiting', 'queued', 'running') and control is null
returning id, state
""".replace("{in_order}", IN_ORDER)
    .replace("{aside}", ASIDE)
    .replace("{outdate}", _OUTDATE.replace("{n}", "(state = 'queued' and dispatched_at is not null)::int"))
)

# paused -> queued, due when it was due before; of those that run it is no longer wanted that they pause: ids.
RESUME = """
update jobs set
    state = case state when 'running' then state else 'queued' end,
    control = null, control_reason = null, {back}
where {in_order} and (state = 'paused' or control = 'pause')
returning id, state
""".replace("{in_order}", IN_ORDER).replace("{back}", BACK)

# Those that are queued for later are due now: ids.
RUN_NOW = """
update jobs set run_at = now(), dispatched_at = null
where {in_order} and state = 'queued' and run_at > now()
returning id, state
""".replace("{in_order}", IN_ORDER)

# Those that no worker has are in another queue now, or have another priority, or both: ids, queue or null, priority or
# null. A message of theirs may lie in Redis, or be on its way there, under the queue and the priority that they had: it
# becomes an old one, and the relay sends what is queued to its new place.
MOVE = """
update jobs set
    queue = coalesce($2::text, queue), priority = coalesce($3::smallint, priority), dispatched_at = null, {outdate}
where {in_order} and state in ('waiting', 'queued', 'paused')
  and (queue, priority) is distinct from (coalesce($2::text, queue), coalesce($3::smallint, priority))
returning id, state
""".replace("{in_order}", IN_ORDER).replace("{outdate}", _OUTDATE.replace("{n}", "1"))

# failed, cancelled -> queued; `from_start` forgets what earlier attempts have kept: ids, from_start.
RETRY = """
with again as ({again}),
checkpoints as (delete from job_checkpoints where $2::bool and job_id in (select id from again)),
steps as (delete from job_steps where $2::bool and job_id in (select id from again)),
progress as (delete from job_progress where $2::bool and job_id in (select id from again))
select id, 'queued' as state from again
""".replace("{again}", QUEUE_AGAIN)

# Other arguments for the next attempt of a job that no worker has and that is not sent yet: id, args, kwargs. A message
# with the old ones may still be there: it was cancelled on its way.
EDIT = """
update jobs set args = $2::json, kwargs = $3::json, {outdate}
where id = $1 and state = 'queued' and dispatched_at is null
returning id
""".replace("{outdate}", _OUTDATE.replace("{n}", "1"))

# Those that have ended are gone, with all that was kept of them; not those of a workflow that goes on: it may not have
# heard of the end yet, or still ask for the result: ids.
DELETE = """
with gone as (
    delete from jobs where id = any(array(select id from jobs where id = any($1::uuid[]) order by id for update))
      and outcome is not null
      and (workflow_id is null
           or not exists (select from workflows w where w.id = jobs.workflow_id and w.finished_at is null))
    returning id
),
lines as (delete from job_logs where job_id in (select id from gone))
select id, 'deleted' as state from gone
"""

# Why jobs were left as they are: ids. Those that do not exist are not counted.
STATES = "select state, count(*) as jobs from jobs where id = any($1::uuid[]) group by state"

# Somebody did this to these: who, action, ids, reason, details as JSON.
NOTE = """
insert into audit (who, action, job_id, reason, details)
select $1, $2, job_id, $4, $5::json from unnest($3::uuid[]) as t(job_id)
"""
