"""The SQL of why a job does not run."""

# What holds a job that has not ended: id.
WHY = """
select j.state, j.queue, j.actor, j.run_at, j.run_at <= now() as is_due, j.dispatched_at is not null as is_dispatched,
       j.blocked_by, j.control, j.attempt, j.releases,
       (select reason from pauses where kind = 'queue' and name = j.queue) as queue_pause,
       (select reason from pauses where kind = 'actor' and name = j.actor) as actor_pause,
       w.listening, w.drained,
       (select count(*) from (
            select from jobs o where o.outcome is null and o.queue = j.queue and o.state = 'queued'
              and (o.priority, o.run_at) < (j.priority, j.run_at) and o.run_at <= now() limit 10000
       ) ahead)::int as ahead,
       exists (select from leases where name = 'scheduling' and expires_at > now()) as is_scheduled
from jobs j
cross join lateral (
    select (count(*) filter (where p.name is null))::int as listening, count(p.name)::int as drained
    from workers left join pauses p on p.kind = 'worker' and p.name = workers.process where j.queue = any(queues)
) w
where j.id = $1 and j.outcome is null
"""
