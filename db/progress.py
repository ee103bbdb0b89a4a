"""The SQL of progress: how far a job says it has come. Fenced by the run that says so."""

# The latest word of each run: ids, attempts, current, total, messages, extra as JSON, where the run began to count, how
# many seconds ago that was, worker. Those of runs that were given up are not returned, and nothing is written for them.
# A run that its own transaction has ended may still say its last word.
WRITE = """
insert into job_progress (job_id, attempt, current, total, message, extra, started_current, started_at)
select j.id, j.attempt, p.current, p.total, p.message, p.extra::json, p.started_current,
       now() - make_interval(secs => p.age)
from unnest($1::uuid[], $2::int[], $3::float8[], $4::float8[], $5::text[], $6::text[], $7::float8[], $8::float8[])
     as p(id, attempt, current, total, message, extra, started_current, age)
join jobs j on j.id = p.id and j.attempt = p.attempt
where coalesce(j.state in ('running', 'succeeded') and j.worker = $9, false)
on conflict (job_id) do update set
    attempt = excluded.attempt, current = excluded.current, total = excluded.total, message = excluded.message,
    extra = excluded.extra, started_current = excluded.started_current, started_at = excluded.started_at,
    updated_at = now()
where job_progress.attempt <= excluded.attempt
returning job_id
"""
