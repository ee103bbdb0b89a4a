"""The SQL of what lists of jobs show."""

from db.jobs import LIVE_QUEUES

# The arguments of jobs, null where they are too large for a line: ids.
ARGUMENTS = """
select id, actor, bytes, case when bytes < 8192 then args end as args, case when bytes < 8192 then kwargs end as kwargs
from (
    select id, actor, args, kwargs, octet_length(args::text) + octet_length(kwargs::text) as bytes
    from jobs where id = any($1::uuid[])
) sized
"""

# Jobs by what is seen of their state: of those that live the first so many of each queue, of the others so many of each
# state: how many.
COUNTS = """
with {live_queues}, counted as (
    select c.* from live l cross join lateral (
        select count(*) filter (where state = 'queued' and attempt <= releases and run_at <= now()) as queued,
               count(*) filter (where state = 'queued' and attempt <= releases and run_at > now()) as scheduled,
               count(*) filter (where state = 'queued' and attempt > releases) as retrying,
               count(*) filter (where state = 'running') as running,
               count(*) filter (where state = 'waiting') as waiting,
               count(*) filter (where state = 'paused') as paused, count(*) as looked_at
        from (
            select state, run_at, attempt, releases from jobs
            where outcome is null and queue = l.queue order by priority, run_at limit $1
        ) j
    ) c
)
select coalesce(sum(queued), 0)::int as queued, coalesce(sum(scheduled), 0)::int as scheduled,
       coalesce(sum(retrying), 0)::int as retrying, coalesce(sum(running), 0)::int as running,
       coalesce(sum(waiting), 0)::int as waiting, coalesce(sum(paused), 0)::int as paused,
       coalesce(bool_or(looked_at >= $1), false) as is_capped,
       (select count(*) from (select from jobs where outcome = 1 order by finished_at limit $1) j)::int as succeeded,
       (select count(*) from (select from jobs where outcome = 2 order by finished_at limit $1) j)::int as failed,
       (select count(*) from (select from jobs where outcome = 3 order by finished_at limit $1) j)::int as cancelled
from counted
""".replace("{live_queues}", LIVE_QUEUES)

# The last line that each of these jobs has logged: ids.
LAST_LINES = """
select l.* from unnest($1::uuid[]) as j(id) cross join lateral (
    select job_id, attempt, line, level, logged_at, message, fields from job_logs where job_id = j.id
    order by attempt desc, line desc limit 1
) l
"""
