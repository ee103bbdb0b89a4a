"""The SQL of what goes into queues and out of them. Each statement looks at a bounded number of rows."""

# Jobs made of late, by queue: seconds, how many of the newest to look at most. `seconds` is how far back they reach.
ARRIVALS = """
select queue, count(*)::int as jobs,
       case when sum(count(*)) over () < $2 then $1::float8
            else extract(epoch from now() - min(min(created_at)) over ())::float8 end as seconds
from (
    select queue, created_at from jobs where created_at > now() - make_interval(secs => $1)
    order by created_at desc limit $2
) newest
group by queue
"""

# Jobs that ended so long before this minute and in it, and those that failed within a day, by queue: seconds.
# `seconds` is how long the first is.
DEPARTURES = """
select queue, coalesce(sum(jobs) filter (where span = 60), 0)::bigint as jobs,
       coalesce(sum(jobs) filter (where span = 3600 and outcome = 2), 0)::bigint as failed,
       extract(epoch from now() - date_trunc('minute', now()))::float8 + $1::float8 as seconds
from job_statistics
where span = 60 and starts_at >= date_trunc('minute', now()) - make_interval(secs => $1)
   or span = 3600 and starts_at >= now() - interval '24 hours'
group by queue
"""

# The live jobs of a queue by actor, of the first so many: queue, most.
BY_ACTOR = """
select actor, count(*) filter (where state = 'queued' and run_at <= now())::int as due,
       count(*) filter (where state = 'queued' and run_at > now())::int as later,
       count(*) filter (where state in ('waiting', 'paused'))::int as held,
       count(*) filter (where state = 'running')::int as running
from (
    select actor, state, run_at from jobs where outcome is null and queue = $1 order by priority, run_at limit $2
) j
group by actor order by due desc, running desc, actor
"""

# Those that have been due longest, of the first so many live jobs of a queue: queue, most, how many.
OLDEST = """
select id, actor, priority, attempt, run_at
from (
    select id, actor, priority, attempt, run_at, state from jobs
    where outcome is null and queue = $1 order by priority, run_at limit $2
) j
where state = 'queued' and run_at <= now() order by run_at, id limit $3
"""
