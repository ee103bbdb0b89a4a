"""The SQL of the overview."""

from db.jobs import LIVE_QUEUES

# Live jobs by what they do, the first so many of each queue, and the workers: how many.
LIVE = """
with {live_queues}
select coalesce(sum(c.running), 0)::int as running, coalesce(sum(c.waiting), 0)::int as waiting,
       coalesce(sum(c.scheduled), 0)::int as scheduled, coalesce(sum(c.held), 0)::int as held,
       min(c.oldest) as oldest,
       (array_agg(l.queue order by c.oldest) filter (where c.oldest is not null))[1] as oldest_queue,
       min(c.next_run_at) as next_run_at,
       (select count(*)::int from workers) as workers,
       (select coalesce(sum(async_slots + threads), 0)::int from workers) as slots,
       coalesce(bool_or(c.looked_at >= $1), false) as is_capped
from live l cross join lateral (
    select count(*) filter (where state = 'running') as running,
           count(*) filter (where state = 'queued' and run_at <= now()) as waiting,
           count(*) filter (where state = 'queued' and run_at > now()) as scheduled,
           count(*) filter (where state in ('paused', 'waiting')) as held,
           min(run_at) filter (where state = 'queued' and run_at <= now()) as oldest,
           min(run_at) filter (where state = 'queued' and run_at > now()) as next_run_at,
           count(*) as looked_at
    from (
        select state, run_at from jobs where outcome is null and queue = l.queue order by priority, run_at limit $1
    ) j
) c
""".replace("{live_queues}", LIVE_QUEUES)

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
