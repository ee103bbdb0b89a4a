"""The SQL of what lists of jobs show."""

# The arguments of jobs, null where they are too large for a line: ids.
ARGUMENTS = """
select id, actor, bytes, case when bytes < 8192 then args end as args, case when bytes < 8192 then kwargs end as kwargs
from (
    select id, actor, args, kwargs, octet_length(args::text) + octet_length(kwargs::text) as bytes
    from jobs where id = any($1::uuid[])
) sized
"""

# Jobs by what is seen of their state, each kind counted no further than to a cap: cap.
COUNTS = """
with live as materialized (
    select state, run_at, attempt, releases from jobs where outcome is null limit $1 * 10
)
select least($1, count(*) filter (where state = 'queued' and attempt <= releases and run_at <= now()))::int as queued,
       least($1, count(*) filter (where state = 'queued' and attempt <= releases and run_at > now()))::int as scheduled,
       least($1, count(*) filter (where state = 'queued' and attempt > releases))::int as retrying,
       least($1, count(*) filter (where state = 'running'))::int as running,
       least($1, count(*) filter (where state = 'waiting'))::int as waiting,
       least($1, count(*) filter (where state = 'paused'))::int as paused,
       (select count(*) from (select from jobs where outcome = 1 limit $1) j)::int as succeeded,
       (select count(*) from (select from jobs where outcome = 2 limit $1) j)::int as failed,
       (select count(*) from (select from jobs where outcome = 3 limit $1) j)::int as cancelled
from live
"""

# The last line that each of these jobs has logged: ids.
LAST_LINES = """
select l.* from unnest($1::uuid[]) as j(id) cross join lateral (
    select job_id, attempt, line, level, logged_at, message, fields from job_logs where job_id = j.id
    order by attempt desc, line desc limit 1
) l
"""
