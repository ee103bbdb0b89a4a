"""The SQL of why a job does not run."""

# What holds a job that has not ended: id.
WHY = """
select j.state, j.queue, j.actor, j.run_at, j.run_at <= now() as is_due, j.dispatched_at is not null as is_dispatched,
       j.blocked_by, j.control, j.attempt, j.releases,
       q.reason as queue_pause, nullif(q.until, 'infinity') as queue_paused_until,
       a.reason as actor_pause, nullif(a.until, 'infinity') as actor_paused_until, w.listening, w.drained,
       (select count(*) from (
            select from jobs o where o.outcome is null and o.queue = j.queue and o.state = 'queued'
              and (o.priority, o.run_at) < (j.priority, j.run_at) and o.run_at <= now() limit 10000
       ) ahead)::int as ahead,
       exists (select from leases where name = 'scheduling' and expires_at > now()) as is_scheduled
from jobs j
left join pauses q on q.kind = 'queue' and q.name = j.queue and q.until > now()
left join pauses a on a.kind = 'actor' and a.name = j.actor and a.until > now()
cross join lateral (
    select (count(*) filter (where p.name is null))::int as listening, count(p.name)::int as drained
    from workers left join pauses p on p.kind = 'worker' and p.name = workers.process and p.until > now()
    where j.queue = any(queues)
) w
where j.id = $1 and j.outcome is null
"""
