"""The SQL of limits: how many jobs with a key may run at once, and how many may start in a period, over all workers.

Why a limit is never exceeded. A limited job is claimed by a transaction of its own, never by the plain claim. It first
locks the row of its key in `limits`, in the order of the keys where there are several, so that nobody waits in a
circle; then, in a statement that begins once the lock is held and so sees all that was decided before, it counts, and
grants as many runs as there is room for. So decisions about a key are made one after the other, and each knows the one
before. (One statement that locks and counts would count as of its beginning, before it had the lock.)

What counts. For concurrency: the grants of the key, in `limit_grants`. A grant is for one run of one job, and is worth
something only as long as the job's own row says that it is running that run. So there is nothing to give back: the
statement that ends the run, whichever it is, makes its grant void in the same moment. A run whose worker died counts
until the rescue has taken the job from it. For the rate: a log of starts, by key and moment. At most `rate` of them lie
within any period of `per` seconds, however it is placed. (A bucket of tokens would let almost twice as many pass, a
full bucket and its refill.) A start is the moment of the claim, `jobs.started_at`, on the database's clock.

Who waits. A job that finds no room becomes `waiting`, blocked by its limit: its message is acknowledged, and it takes
no slot, no attempt and no place in Redis. Whoever makes room hands it on: the worker that has ended a granted run, or
the limiter of the scheduling processes when a period is over. The first of those that wait, by priority and then by
age, is queued again and sent, ahead of its equals. It gets its grant right then, for the run that is about to be: a
newcomer cannot take it away, so those who wait long cannot starve. Such a grant is void after half a minute (the
message may be lost, its queue paused) and then the job is a newcomer itself; a job that waits and a newcomer are always
compared, and the older one wins.

Why nobody is forgotten. Whoever leaves somebody waiting writes down, in the same transaction, when somebody must look
again (`limits.due_at`): when the first start leaves the period, or in five seconds where a run's end is to be waited
for. The one who ends a run asks for `due_at` under a lock that waits for decisions under way: either the decision has
seen that the run is over, or the asker sees that somebody waits. The five seconds are for one that dies in between.

A key's waiting jobs are found by its name, so no key waits for another's.

Who says how many. The actor's declaration, which every claim brings with it; unless people have set the key otherwise,
which the row then says, and the claim leaves it (it holds the row: whichever of the two is second sees the first). What
runs when a limit is lowered runs on. A rate counts the starts within the period that held when they were made: a
longer one is kept from its first whole period on.

Parameters are asyncpg's; statements that take arrays take one element per key, or per job. DEFINE or LOCK, then TIDY,
then GRANT make one transaction.
"""

# The limits of keys about to be used, as the one who claims knows them; holds their rows: keys, concurrencies, rates,
# periods in seconds.
DEFINE = """
insert into limits as l (key, concurrency, rate, per, used_at)
select key, concurrency, rate, per, clock_timestamp()
from unnest($1::text[], $2::int[], $3::int[], $4::float8[]) as t(key, concurrency, rate, per)
order by key
on conflict (key) do update set
    concurrency = case when l.set_by is null then excluded.concurrency else l.concurrency end,
    rate = case when l.set_by is null then excluded.rate else l.rate end,
    per = case when l.set_by is null then excluded.per else l.per end,
    declared_concurrency = case when l.set_by is not null then excluded.concurrency end,
    declared_rate = case when l.set_by is not null then excluded.rate end,
    declared_per = case when l.set_by is not null then excluded.per end,
    used_at = excluded.used_at
"""

# People set a key's limit otherwise; what is null stays as it is, and what the code does not limit stays without a
# limit: key, concurrency, rate, period in seconds, who, why.
SET = """
update limits
set declared_concurrency = case when set_by is null then concurrency else declared_concurrency end,
    declared_rate = case when set_by is null then rate else declared_rate end,
    declared_per = case when set_by is null then per else declared_per end,
    concurrency = coalesce($2::int, concurrency), rate = coalesce($3::int, rate), per = coalesce($4::float8, per),
    set_by = $5, set_at = now(), set_reason = $6, due_at = case when due_at is not null then now() end
where key = $1 and (concurrency is not null or $2::int is null) and (rate is not null or $3::int is null)
returning key
"""

# It is as the code has it again: key.
RESET = """
update limits
set concurrency = declared_concurrency, rate = declared_rate, per = declared_per,
    declared_concurrency = null, declared_rate = null, declared_per = null,
    set_by = null, set_at = null, set_reason = null, due_at = case when due_at is not null then now() end
where key = $1 and set_by is not null
returning key
"""

# Holds the rows of keys: keys.
LOCK = "select key from limits where key = any($1::text[]) order by key for update"

# What does not count any more: keys that are held.
TIDY = """
with over as (
    delete from limit_starts s using limits l
    where l.key = any($1::text[]) and s.key = l.key
      and s.started_at <= clock_timestamp() - make_interval(secs => coalesce(l.per, 0))
)
delete from limit_grants g
where g.key = any($1::text[]) and not exists (
    select from jobs j
    where j.id = g.job_id
      and (j.state = 'running' and j.attempt = g.attempt
           or j.state = 'queued' and j.attempt = g.attempt - 1
              and g.granted_at > clock_timestamp() - interval '30 seconds')
)
"""

# Of the jobs that came (queued -> running) and those that wait (waiting -> queued), as many as there is room for; the
# others that came wait now (queued -> waiting). Keys that are held; of those that came their ids, the attempts of their
# messages, their keys; worker (null, if none came). Returns what became of each, of those queued again all that their
# message needs; and a row without an id for each key of which some still wait.
GRANT = """
with clock as materialized (
    select clock_timestamp() as at
), me as materialized (
    select id from workers where id = $5::uuid for key share
), came as materialized (
    select j.id, j.attempt, j.priority, m.key, true as has_come, exists (
               select from limit_grants g where g.job_id = j.id and g.key = m.key and g.attempt = j.attempt + 1
           ) as is_granted
    from clock, me, unnest($2::uuid[], $3::int[], $4::text[]) as m(id, attempt, key) join jobs j on j.id = m.id
    where j.attempt = m.attempt and coalesce(j.state = 'queued' and j.run_at <= clock.at
      and (j.expires_at is null or j.expires_at > clock.at or j.started_at is not null), false)
    for update of j
), held as (
    select g.key, count(*) as runs, count(*) filter (where j.state = 'queued') as promised
    from limit_grants g join jobs j on j.id = g.job_id
    where g.key = any($1::text[]) and not exists (select from came where came.id = g.job_id and is_granted)
    group by g.key
), started as (
    select s.key, sum(s.jobs) as runs, min(s.started_at) as first from limit_starts s where s.key = any($1::text[])
    group by s.key
), rooms as materialized (
    select l.key, l.rate, l.per, s.first, coalesce(h.promised, 0) as promised,
           greatest(0, least(
               1000,
               coalesce(l.concurrency - coalesce(h.runs, 0), 1000),
               coalesce(l.rate - coalesce(s.runs, 0) - coalesce(h.promised, 0), 1000)
           )) as room,
           l.rate - coalesce(s.runs, 0) - coalesce(h.promised, 0) as starts
    from limits l left join held h using (key) left join started s using (key)
    where l.key = any($1::text[])
), wait as (
    select w.id, w.attempt, w.priority, r.key, false as has_come, false as is_granted
    from rooms r cross join lateral (
        select j.id, j.attempt, j.priority from jobs j
        where j.blocked_by = 'limit:' || r.key
        order by j.priority, j.id limit r.room for update skip locked
    ) w
), ranked as materialized (
    select c.*, row_number() over (partition by c.key order by c.is_granted desc, c.priority, c.id) <= r.room as wins
    from (select * from came union all select * from wait) c join rooms r using (key)
), claimed as (
    update jobs j set state = 'running', attempt = j.attempt + 1, worker = $5::uuid, started_at = clock.at,
           unique_key = case when j.unique_until_start then null else j.unique_key end
    from clock, ranked r where r.has_come and r.wins and j.id = r.id
    returning j.id, r.key, j.attempt, j.max_attempts, j.releases, j.workflow_id
), released as (
    update jobs j set state = 'queued', blocked_by = null, run_at = clock.at, dispatched_at = clock.at
    from clock, ranked r where not r.has_come and r.wins and j.id = r.id
    returning r.key, j.id, j.actor, j.queue, j.args::text, j.kwargs::text, j.options::text, j.priority, j.attempt,
              (extract(epoch from j.created_at) * 1000)::bigint as created_ms
), blocked as (
    update jobs j set state = 'waiting', blocked_by = 'limit:' || r.key, run_at = 'infinity', dispatched_at = null
    from ranked r where r.has_come and not r.wins and j.id = r.id
    returning j.id
), granted as (
    insert into limit_grants (job_id, key, attempt, granted_at)
    select id, key, attempt, clock.at from clock, claimed
    union all
    select id, key, attempt + 1, clock.at from clock, released
    on conflict (job_id) do update set key = excluded.key, attempt = excluded.attempt, granted_at = excluded.granted_at
), logged as (
    insert into limit_starts (key, started_at, jobs)
    select c.key, clock.at, count(*) from clock, claimed c join rooms r using (key) where r.rate is not null
    group by c.key, clock.at
), left_over as (
    select r.*, k.won, k.handed_on,
           k.lost > 0 or k.handed_on < (
               select count(*) from (
                   select from jobs j where j.blocked_by = 'limit:' || r.key limit r.room + 1
               ) waiting
           ) as is_waiting
    from rooms r cross join lateral (
        select count(*) filter (where k.wins) as won,
               count(*) filter (where k.wins and not k.has_come) as handed_on,
               count(*) filter (where k.has_come and not k.wins) as lost
        from ranked k where k.key = r.key
    ) k
), due as (
    update limits l set due_at = case
        when not o.is_waiting then null
        when o.won = 1000 then clock.at
        when o.starts <= o.won and o.promised + o.handed_on = 0
            then coalesce(o.first, clock.at) + make_interval(secs => o.per)
        else clock.at + interval '5 seconds' end
    from clock, left_over o where l.key = o.key and (o.is_waiting or l.due_at is not null)
    returning l.key, o.is_waiting
)
select id, 'running' as state, max_attempts, releases, null as actor, null as queue, null as args, null as kwargs,
       null as options, null as priority, null as attempt, null as created_ms, workflow_id from claimed
union all
select id, 'queued', null, null, actor, queue, args, kwargs, options, priority, attempt, created_ms, null from released
union all
select id, 'waiting', null, null, null, null, null, null, null, null, null, null, null from blocked
union all
select null, 'waiting', null, null, null, null, null, null, null, null, null, null, null from due where is_waiting
"""

# Runs of these keys have ended: of which of them do others wait? Waits for decisions under way: keys.
FREED = """
with held as materialized (select key, due_at from limits where key = any($1::text[]) order by key for share)
select key from held where due_at is not null
"""

# The runs of these jobs have been taken from their workers: the limiter is to look at their keys: ids.
LOOK_AGAIN = """
update limits set due_at = now() where key = any(array(
    select key from limits
    where due_at is not null and key in (select key from limit_grants where job_id = any($1::uuid[]))
    order by key for update
))
"""

# Keys that are to be looked at, the longest due first: most.
DUE = "select key from limits where due_at <= clock_timestamp() order by due_at limit $1"

# In how many seconds the next one is.
NEXT_DUE = """
select extract(epoch from due_at - clock_timestamp())::float8 from limits
where due_at is not null order by due_at limit 1
"""

# Keys that nobody has used for a day and a period are forgotten, those of some thousand: the last key looked at, most.
# Returns the last key looked at now, null after the last of all.
FORGET = """
with page as materialized (
    select key from limits where key > $1 order by key limit $2
), idle as materialized (
    select l.key from limits l join page using (key)
    where l.due_at is null and l.set_by is null
      and l.used_at < now() - interval '1 day' - make_interval(secs => coalesce(l.per, 0))
      and not exists (
          select from limit_grants g join jobs j on j.id = g.job_id
          where g.key = l.key and g.attempt = j.attempt and j.state = 'running'
      )
    order by l.key for update of l
), starts as (
    delete from limit_starts where key in (select key from idle)
), grants as (
    delete from limit_grants where key in (select key from idle)
), gone as (
    delete from limits where key in (select key from idle)
)
select max(key) from page
"""

# The keys of an actor that were used last, those that people have set before them, and how much of each is taken:
# actor, how many waiting jobs of each to count at most, how many keys besides its name to look at, how many to return.
IN_USE = """
select l.key, l.concurrency, l.rate, l.per, l.used_at, l.declared_concurrency, l.declared_rate, l.declared_per,
       l.set_by, l.set_at, l.set_reason,
       (select count(*)::int from limit_grants g join jobs j on j.id = g.job_id
        where g.key = l.key and j.state = 'running' and j.attempt = g.attempt) as running,
       (select coalesce(sum(s.jobs), 0)::int from limit_starts s
        where s.key = l.key and s.started_at > now() - make_interval(secs => coalesce(l.per, 0))) as started,
       (select count(*)::int from (select from jobs j where j.blocked_by = 'limit:' || l.key limit $2) w) as waiting
from (
    select * from (
        (select * from limits where key = $1)
        union all
        (select * from limits where key > $1 || ':' and key < $1 || ';' order by key limit $3)
    ) found order by set_at desc nulls last, used_at desc limit $4
) l
order by l.set_at desc nulls last, l.used_at desc
"""
