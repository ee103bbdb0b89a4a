"""The SQL of the jobs that have to do with one: a few of each kind, found by an index whatever their number."""

# Others that the same job has made: their parent, itself, most.
SIBLINGS = "select id, actor, state, created_at as at from jobs where parent_id = $1 and id <> $2 limit $3"

# Those beside it in its step of a workflow: workflow, run of the step, its place there, how far away at most.
OF_STEP = """
select id, actor, state, created_at as at from jobs
where workflow_id = $1 and step_run = $2 and item between $3::int - $4::int and $3::int + $4::int and item <> $3::int
order by item
"""

# The one that lives and has this unique key, if it is another: key, itself.
OF_KEY = """
select id, actor, state, created_at as at from jobs where unique_key = $1 and outcome is null and id <> $2
"""

# The runs of its schedule before and after its own, the latest first: itself, how many of each. Of one of which no job
# was made, or whose job is gone, the id or the actor is null.
RUNS = """
with mine as materialized (
    select schedule_id, planned_at from scheduled_job_executions where job_id = $1 limit 1
), around as (
    (select job_id, status, planned_at from scheduled_job_executions
     where schedule_id = (select schedule_id from mine) and planned_at > (select planned_at from mine)
     order by schedule_id, planned_at limit $2)
    union all
    (select job_id, status, planned_at from scheduled_job_executions
     where schedule_id = (select schedule_id from mine) and planned_at < (select planned_at from mine)
     order by schedule_id desc, planned_at desc limit $2)
)
select a.job_id as id, j.actor, coalesce(j.state, a.status) as state, a.planned_at as at
from around a left join jobs j on j.id = a.job_id
order by a.planned_at desc
"""

# Who runs it or has ended it, if that worker still lives: worker.
WORKER = "select host, pid, version, started_at from workers where id = $1"
