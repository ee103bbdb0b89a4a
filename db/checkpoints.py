"""The SQL of checkpoints and steps: what a job keeps for its next attempt. Each write is fenced by the run that makes
it."""

# Where the jobs go on from: ids, attempts, data as JSON, worker. Those of runs that were given up are not returned.
SAVE = """
insert into job_checkpoints (job_id, attempt, data)
select j.id, j.attempt, c.data::json
from unnest($1::uuid[], $2::int[], $3::text[]) as c(id, attempt, data)
join jobs j on j.id = c.id and j.attempt = c.attempt
where coalesce(j.state = 'running' and j.worker = $4, false)
on conflict (job_id) do update set attempt = excluded.attempt, data = excluded.data, saved_at = now()
where job_checkpoints.attempt <= excluded.attempt
returning job_id
"""

# Holds the run for the rest of the transaction, so that what the transaction writes is written by a run that counts:
# id, attempt, worker.
HOLD = """
select 1 from jobs where id = $1 and attempt = $2 and state = 'running' and worker = $3 for share
"""

# ids
LOAD = "select job_id, data::text from job_checkpoints where job_id = any($1::uuid[])"

# A step is done, in a transaction that holds the run: id, name, attempt, result as JSON or null.
KEEP_STEP = "insert into job_steps (job_id, name, attempt, result) values ($1, $2, $3, $4::json)"

# Items of a loop are done, each remembered like a step: ids, attempts, names, worker.
KEEP_ITEMS = """
insert into job_steps (job_id, name, attempt)
select j.id, i.name, j.attempt
from unnest($1::uuid[], $2::int[], $3::text[]) as i(id, attempt, name)
join jobs j on j.id = i.id and j.attempt = i.attempt
where coalesce(j.state = 'running' and j.worker = $4, false)
on conflict do nothing
"""

# id
STEPS = "select name, result::text from job_steps where job_id = $1"
