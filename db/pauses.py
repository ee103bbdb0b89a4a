"""The SQL of paused queues and actors, and of what is known of each queue.

A paused queue's jobs stay queued: the relay does not send them, and workers fetch nothing from it. A paused actor's
jobs, which share their queues with others', wait (`blocked_by`) until the actor goes on. A paused worker process, named
as in `workers.process`, fetches nothing from any queue. A pause counts as long as `until` has not come, whether or not
its row is there still.
"""

from db.jobs import LIVE_QUEUES

PAUSED = "select kind, name from pauses where until > now()"

# Until a moment, or for so many seconds; with neither, until it is resumed: kind, name, reason, who, moment, seconds.
# No row: it is paused already, or the moment is over.
PAUSE = """
insert into pauses as p (kind, name, reason, paused_by, until)
select $1, $2, $3, $4, e.until
from (select coalesce($5::timestamptz, now() + make_interval(secs => $6), 'infinity') as until) e
where e.until > now()
on conflict (kind, name) do update set
    reason = excluded.reason, paused_by = excluded.paused_by, paused_at = now(), until = excluded.until
where p.until <= now()
returning nullif(until, 'infinity') as until
"""

# kind, name. No row: it was not paused.
RESUME = "delete from pauses where kind = $1 and name = $2 and until > now() returning name"

# The one that counts: kind, name.
FIND = "select reason, paused_by, paused_at from pauses where kind = $1 and name = $2 and until > now()"

# Pauses that are over go, each with its row in the audit.
END = """
with over as (
    delete from pauses where until <= now() returning kind, name, until
), noted as (
    insert into audit (who, action, target, reason, details)
    select 'scheduling', kind || '.resume', name, 'it was paused until now', json_build_object('until', until) from over
)
select kind, name from over
"""

# Seconds until the next is over, or a schedule on again; null: none is to end by itself.
NEXT_END = """
select extract(epoch from least(
    (select nullif(min(until), 'infinity') from pauses),
    (select min(off_until) from scheduled_jobs where off_until is not null)) - now())::float8
"""

# Worker processes that are gone need not be told anything any more.
FORGET_WORKERS = """
delete from pauses p
where kind = 'worker' and paused_at < now() - interval '1 hour'
  and not exists (select from workers w where w.process = p.name)
"""

# queued -> waiting, because their actor is paused: ids, attempts of their messages. Those whose actor is not (any more)
# are not returned.
BLOCK = """
update jobs j set state = 'waiting', blocked_by = 'actor:' || j.actor, run_at = 'infinity', dispatched_at = null
from unnest($1::uuid[], $2::int[]) as m(id, attempt)
where j.id = m.id and j.attempt = m.attempt and j.state = 'queued'
  and exists (select from pauses p where p.kind = 'actor' and p.name = j.actor and p.until > now())
returning j.id
"""

# Actors that are not paused and have jobs that wait as if they were. A loose index scan: its cost grows with the number
# of paused actors.
GOING_ON = """
with recursive blocked as (
    (select blocked_by from jobs where blocked_by >= 'actor:' and blocked_by < 'actor;' order by blocked_by limit 1)
    union all
    select n.blocked_by from blocked b cross join lateral (
        select j.blocked_by from jobs j
        where j.blocked_by > b.blocked_by and j.blocked_by < 'actor;' order by j.blocked_by limit 1
    ) n
)
select substr(blocked_by, 7) as actor from blocked
where not exists (
    select from pauses p where p.kind = 'actor' and p.name = substr(blocked_by, 7) and p.until > now()
)
"""

# waiting -> queued, the urgent first, then the oldest: actor, most. None, should it be paused again.
GO_ON = """
update jobs set state = 'queued', blocked_by = null, run_at = now() where id = any(array(
    select id from jobs
    where blocked_by = 'actor:' || $1
      and not exists (select from pauses p where p.kind = 'actor' and p.name = $1 and p.until > now())
    order by priority, id limit $2 for update skip locked
))
returning id
"""

# What is known of the queues that have live jobs, and of these others: names, how many jobs of each to look at most,
# the one that is asked for (null: all). The jobs that run, and those due longest, are the first that are looked at.
QUEUES = """
with {live_queues}, names as (
    select queue as name from live union select unnest($1::text[])
    union select name from pauses where kind = 'queue' and until > now()
)
select n.name, p.reason, p.paused_by, p.paused_at, nullif(p.until, 'infinity') as paused_until, c.due, c.later, c.held,
       c.running, extract(epoch from now() - c.due_since)::float8 as oldest, c.looked_at >= $2 as is_capped
from names n
left join pauses p on p.kind = 'queue' and p.name = n.name and p.until > now()
cross join lateral (
    select count(*) filter (where state = 'queued' and run_at <= now())::int as due,
           count(*) filter (where state = 'queued' and run_at > now())::int as later,
           count(*) filter (where state in ('waiting', 'paused'))::int as held,
           count(*) filter (where state = 'running')::int as running,
           min(run_at) filter (where state = 'queued' and run_at <= now()) as due_since,
           count(*) as looked_at
    from (
        select state, run_at from jobs where outcome is null and queue = n.name order by priority, run_at limit $2
    ) j
) c
where n.name = $3::text or $3::text is null
order by n.name
""".replace("{live_queues}", LIVE_QUEUES)

# Of each of these actors: whether and why it is paused, and how many jobs wait for that, counted up to: names, most.
ACTORS = """
select n.name, p.reason, p.paused_by, p.paused_at, nullif(p.until, 'infinity') as paused_until, (
    select count(*) from (select from jobs j where j.blocked_by = 'actor:' || n.name limit $2) w
)::int as held
from unnest($1::text[]) as n(name)
left join pauses p on p.kind = 'actor' and p.name = n.name and p.until > now()
order by n.name
"""
