"""The SQL of the overview."""

from db.jobs import LIVE_QUEUES

# Live jobs by what they do, counted no further than to a cap, and the workers: cap.
LIVE = """
with live as materialized (
    select state, run_at, queue from jobs where outcome is null limit $1
)
select count(*) filter (where state = 'running')::int as running,
       count(*) filter (where state = 'queued' and run_at <= now())::int as waiting,
       count(*) filter (where state = 'queued' and run_at > now())::int as scheduled,
       count(*) filter (where state in ('paused', 'waiting'))::int as held,
       min(run_at) filter (where state = 'queued' and run_at <= now()) as oldest,
       (select queue from live where state = 'queued' and run_at <= now() order by run_at limit 1) as oldest_queue,
       min(run_at) filter (where state = 'queued' and run_at > now()) as next_run_at,
       (select count(*)::int from workers) as workers,
       (select coalesce(sum(async_slots + threads), 0)::int from workers) as slots,
       count(*) >= $1 as is_capped
from live
"""

# Queues whose jobs have been due for a while and that no worker takes from: how many live jobs of each are looked at,
# seconds, most.
UNSERVED = """
with {live_queues}, unserved as materialized (
    select queue from live where not exists (select from workers where live.queue = any(workers.queues))
)
select u.queue, d.due, d.oldest
from unserved u cross join lateral (
    select count(*)::int as due, min(run_at) as oldest
    from (
        select state, run_at from jobs where outcome is null and queue = u.queue order by priority, run_at limit $1
    ) j where state = 'queued' and run_at <= now()
) d
where d.oldest < now() - make_interval(secs => $2) order by d.due desc, u.queue limit $3
""".replace("{live_queues}", LIVE_QUEUES)

# Schedules whose next run has been due for so long, and endpoints that were disabled within the period: seconds, hours.
ATTENTION = """
select (select count(*)::int from scheduled_jobs where next_run_at < now() - make_interval(secs => $1)) as late,
       (select count(*)::int from webhook_endpoints
        where disabled_at > now() - make_interval(secs => $2 * 3600) and deleted_at is null) as disabled
"""

# hours, most
TROUBLES = """
select g.fingerprint, g.error_type, g.pattern, s.occurrences, g.last_seen_at
from (
    select fingerprint, sum(occurrences)::bigint as occurrences from error_statistics
    where starts_at >= now() - make_interval(hours => 1, secs => $1 * 3600)
    group by fingerprint order by 2 desc limit 100
) s join error_groups g using (fingerprint)
where g.muted_at is null and (g.resolved_at is null or g.last_seen_at > g.resolved_at)
order by s.occurrences desc limit $2
"""

# Live jobs by actor, the first so many of them queue by queue: how many.
LIVE_BY_ACTOR = """
select actor as name, count(*) filter (where state = 'running')::int as running,
       count(*) filter (where state = 'queued' and run_at <= now())::int as waiting,
       count(*) filter (where state = 'queued' and run_at > now())::int as scheduled,
       count(*) filter (where state in ('paused', 'waiting'))::int as held
from (
    select actor, state, run_at from jobs where outcome is null order by queue, priority, run_at limit $1
) live
group by 1
"""
