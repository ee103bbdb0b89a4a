"""The SQL of the overview."""

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
       (select coalesce(sum(async_slots + threads), 0)::int from workers) as slots
from live
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

# Live jobs by queue or by actor, the first so many of them: how many.
_LIVE_BY = """
select {column} as name, count(*) filter (where state = 'running')::int as running,
       count(*) filter (where state = 'queued' and run_at <= now())::int as waiting,
       count(*) filter (where state = 'queued' and run_at > now())::int as scheduled,
       count(*) filter (where state in ('paused', 'waiting'))::int as held
from (select {column}, state, run_at from jobs where outcome is null limit $1) live
group by 1
"""

LIVE_BY = {column: _LIVE_BY.replace("{column}", column) for column in ("queue", "actor")}
