"""The SQL of the metrics: as much as is read does not grow with the table."""

# Live jobs by queue, actor and state, at most so many of them, and for how long the first that is due has been: most.
LIVE = """
select queue, actor, case when state = 'queued' and run_at > now() then 'scheduled' else state end as state,
       count(*) as jobs,
       coalesce(extract(epoch from now() - min(run_at) filter (where state = 'queued' and run_at <= now())), 0)::float8
           as oldest
from (select queue, actor, state, run_at from jobs where outcome is null limit $1) live
group by 1, 2, 3
"""

# Jobs that ended within the last sixty whole minutes, by queue, actor and outcome.
ENDED = """
select queue, actor, outcome, sum(jobs)::bigint as jobs from job_statistics
where span = 60 and starts_at >= date_trunc('minute', now()) - interval '60 minutes'
  and starts_at < date_trunc('minute', now())
group by 1, 2, 3
"""

WORKERS = "select count(*)::int as workers, coalesce(sum(async_slots + threads), 0)::int as slots from workers"

LEADER = "select term, expires_at > now() as leads from leases where name = 'scheduling'"
