"""The SQL of schedules: what is due, what was made of it, and what became of that.

A run exists once for a schedule and a planned time: that pair is unique in `scheduled_job_executions`, and the job is
inserted in the same transaction as its execution and the schedule's next time. Who fires holds the rows of the
schedules that are due and names its term as the leader, so that two who believe to lead get different rows, and one
whose term is over gets none. All times are the database's.
"""

# Schedules that are due, earliest first, held for this transaction: holder and term of the leader, most. `running` says
# whether a job that it made has not ended, `waiting` whether a run waits for that; where they may overlap neither is
# looked for.
DUE = """
select s.id, s.name, s.version, s.task_function, s.job_type, s.schedule_config::text, s.task_args::text, s.queue,
       s.priority, s.time_zone, s.end_at, s.jitter, s.misfire, s.misfire_max, s.misfire_grace, s.overlap, s.repeat,
       s.shadow, s.owner, s.anchor_at, s.runs, s.next_run_at, now() as now,
       s.overlap <> 'allow' and exists (
           select from scheduled_job_executions e join jobs j on j.id = e.job_id
           where e.schedule_id = s.id and e.status = 'fired' and j.outcome is null) as running,
       s.overlap = 'queue_one' and exists (
           select from scheduled_job_executions e where e.schedule_id = s.id and e.status = 'waiting') as waiting
from scheduled_jobs s
where s.next_run_at <= now() and (s.parked_until is null or s.parked_until <= now())
  and exists (select from leases where name = 'scheduling' and holder = $1 and term = $2 and expires_at > now())
order by s.next_run_at limit $3
for no key update of s skip locked
"""

# Seconds until the next one is due (null: none is), and whether a run waits for the end of another.
NEXT = """
select (select extract(epoch from next_run_at - now())::float8 from scheduled_jobs
        where next_run_at is not null and (parked_until is null or parked_until <= now())
        order by next_run_at limit 1) as due_in,
       exists (select from scheduled_job_executions where status = 'waiting') as waiting
"""

# What was decided of planned times: ids, schedules, their names, planned times, last planned times, how many of them,
# statuses, reasons, who triggered it. Returns the ids of those that nobody has recorded before.
RECORD = """
insert into scheduled_job_executions
    (id, schedule_id, schedule, planned_at, planned_until, times, status, reason, triggered_by)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::text[],
                     $8::text[], $9::text[])
on conflict (schedule_id, planned_at) do nothing
returning id
"""

# The jobs that were made: executions, jobs.
LINK = """
update scheduled_job_executions e set job_id = l.job_id, status = 'fired'
from unnest($1::uuid[], $2::uuid[]) as l(id, job_id) where e.id = l.id
"""

# Of the planned times of a span that is past, those of which nothing was made: schedule, times, end of the span. A row
# that stands for several which were skipped counts if all of them are in the span.
MISSING = """
select planned_at from unnest($2::timestamptz[]) as t(planned_at)
where not exists (
    select from scheduled_job_executions e where e.schedule_id = $1 and e.planned_at = t.planned_at
    and not (e.status = 'skipped' and coalesce(e.planned_until, e.planned_at) <= $3))
order by planned_at
"""

# These are made now, in the transaction that links their jobs: ids, schedule, its name, times, who, end of the span.
# Returns those that were not made before.
BACKFILL = """
insert into scheduled_job_executions as e (id, schedule_id, schedule, planned_at, status, triggered_by)
select id, $2, $3, planned_at, 'waiting', $5 from unnest($1::uuid[], $4::timestamptz[]) as t(id, planned_at)
on conflict (schedule_id, planned_at) do update
set status = 'waiting', reason = null, planned_until = null, times = 1, triggered_by = excluded.triggered_by
where e.status = 'skipped' and coalesce(e.planned_until, e.planned_at) <= $6
returning id, planned_at
"""

# On to the next time: schedules, the times that were due, the next ones (null: never again), runs made, last times.
ADVANCE = """
update scheduled_jobs s
set next_run_at = a.next, runs = s.runs + a.runs, last_run_at = coalesce(a.last, s.last_run_at),
    parked_until = null, problem = null
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::timestamptz[])
     as a(id, was, next, runs, last)
where s.id = a.id and s.next_run_at = a.was
"""

# It cannot be run as it is (an actor that this scheduler does not know yet): schedules, problems, seconds. Its planned
# times stay due: they are made, or follow its misfire policy, once it can be run again.
PARK = """
update scheduled_jobs s set problem = p.problem, parked_until = now() + make_interval(secs => $3)
from unnest($1::uuid[], $2::text[]) as p(id, problem) where s.id = p.id
"""

# Schedules that were off until now are on, each with its row in the audit. When they run next has been planned for then
# from the start, so that nothing waits for this.
GO_ON = """
with over as materialized (
    select id, name, off_until from scheduled_jobs where off_until <= now() for no key update skip locked
), noted as (
    insert into audit (who, action, target, reason, details)
    select 'scheduling', 'schedule.enable', name, 'it was off until now', json_build_object('until', off_until)
    from over
)
update scheduled_jobs s set off_until = null, off_by = null, off_reason = null from over where s.id = over.id
returning s.name
"""

# Runs that waited for the end of the last one, which has come: holder and term of the leader, most.
READY = """
select e.id, e.planned_at, s.id as schedule_id, s.name, s.task_function, s.task_args::text, s.queue, s.priority,
       s.owner
from scheduled_job_executions e join scheduled_jobs s on s.id = e.schedule_id
where e.status = 'waiting' and not exists (
    select from scheduled_job_executions r join jobs j on j.id = r.job_id
    where r.schedule_id = e.schedule_id and r.status = 'fired' and j.outcome is null)
  and exists (select from leases where name = 'scheduling' and holder = $1 and term = $2 and expires_at > now())
order by e.planned_at limit $3
for no key update of e skip locked
"""

# Live jobs that schedules have made, to be cancelled for the sake of their followers: schedules.
LIVE_JOBS = """
select e.job_id from scheduled_job_executions e join jobs j on j.id = e.job_id
where e.schedule_id = any($1::uuid[]) and e.status = 'fired' and j.outcome is null
"""

# Runs that wait and shall not be made any more: schedule, reason.
DROP_WAITING = """
update scheduled_job_executions set status = 'skipped', reason = $2 where schedule_id = $1 and status = 'waiting'
"""

# A planned run cannot be made after all: execution, reason.
SKIP = "update scheduled_job_executions set status = 'skipped', reason = $2 where id = $1"

# Executions whose job has ended get what became of it, so that they outlive it: of the next after an id, most. Returns
# how many were looked at, and the last one's id.
SETTLE = """
with looked as materialized (
    select id, job_id from scheduled_job_executions where status = 'fired' and id > $1 order by id limit $2
), settled as (
    update scheduled_job_executions e
    set status = coalesce(j.state, 'unknown'), started_at = j.started_at, ended_at = j.finished_at, error = j.error,
        result = case when length(j.result::text) <= 4000 then j.result end,
        reason = case when j.id is null then 'its job was deleted before its end was seen' else e.reason end
    from looked l left join jobs j on j.id = l.job_id
    where e.id = l.id and (j.id is null or j.outcome is not null)
)
select count(*) as looked, (select id from looked order by id desc limit 1) as last from looked
"""

# History past its retention, oldest first: seconds, most.
DELETE_OLD = """
delete from scheduled_job_executions where id = any(array(
    select id from scheduled_job_executions
    where planned_at < now() - make_interval(secs => $1) and status not in ('waiting', 'fired')
    order by planned_at, id limit $2
))
"""

# A run of an actor that periodiq's clock has triggered, as its message arrives: executions, schedules, names, planned
# times (seconds since 1970), statuses, reasons, jobs.
RECORD_PERIODIC = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, reason, job_id, triggered_by)
select id, schedule_id, schedule, to_timestamp(planned), status, reason, job_id, 'periodiq'
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::uuid[])
     as t(id, schedule_id, schedule, planned, status, reason, job_id)
on conflict (schedule_id, planned_at) do nothing
"""

# How late runs of periodic actors are, in seconds, and whether a later one has come: schedules, planned times (seconds
# since 1970). In their order.
LATENESS = """
select (extract(epoch from now()) - t.planned)::float8 as late,
       exists (select from scheduled_job_executions e
               where e.schedule_id = t.schedule_id and e.planned_at > to_timestamp(t.planned)) as overtaken
from unnest($1::uuid[], $2::float8[]) with ordinality as t(schedule_id, planned, place) order by t.place
"""

# One process registers at a time.
LOCK_CATALOGUE = "select pg_advisory_xact_lock(hashtext('callboard catalogue'))"

# What a process declares: names, modules, queues, priorities, descriptions, signatures, defaults, cron expressions.
REGISTER_FUNCTIONS = """
insert into task_functions as f (name, module, queue, priority, description, signature, defaults, periodic)
select name, module, queue, priority, description, signature::json, defaults::json, periodic
from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[])
     as t(name, module, queue, priority, description, signature, defaults, periodic)
on conflict (name) do update set module = excluded.module, queue = excluded.queue, priority = excluded.priority,
    description = excluded.description, signature = excluded.signature, defaults = excluded.defaults,
    periodic = excluded.periodic, registered_at = now(), missing_since = null
where (f.module, f.queue, f.priority, f.description, f.signature::text, f.defaults::text, f.missing_since is null)
      is distinct from
      (excluded.module, excluded.queue, excluded.priority, excluded.description, excluded.signature::text,
       excluded.defaults::text, true)
   or f.periodic is distinct from excluded.periodic
"""

# What it does not declare any more, though its modules are loaded, as `actors` is in every process: names, modules.
MISS_FUNCTIONS = """
update task_functions set missing_since = now()
where missing_since is null and name <> all($1::text[])
  and (module = any($2::text[]) or split_part(module, '.', 1) = 'actors')
"""

# The actors that periodiq triggers stand in the list of schedules: ids, names, descriptions, configurations, misfire
# policies, graces.
REGISTER_PERIODIC = """
insert into scheduled_jobs as s (id, name, description, kind, task_function, job_type, schedule_config, task_args,
                                 misfire, misfire_grace, overlap, managed_by, created_by, updated_by)
select id, name, description, 'code', name, 'cron', config::json, '{}', misfire, grace, 'allow', 'code', 'code', 'code'
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
     as t(id, name, description, config, misfire, grace)
where not exists (select from scheduled_jobs o where o.name = t.name and o.id <> t.id)
on conflict (id) do update set name = excluded.name, description = excluded.description, updated_at = now(),
    schedule_config = excluded.schedule_config, misfire = excluded.misfire, misfire_grace = excluded.misfire_grace
where (s.name, s.description, s.schedule_config::text, s.misfire, s.misfire_grace)
      is distinct from
      (excluded.name, excluded.description, excluded.schedule_config::text, excluded.misfire, excluded.misfire_grace)
"""

# Those of actors that are not periodic any more, or gone, leave it; their history stays: ids, modules.
UNREGISTER_PERIODIC = """
delete from scheduled_jobs s using task_functions f
where s.kind = 'code' and f.name = s.task_function and s.id <> all($1::uuid[])
  and (f.module = any($2::text[]) or split_part(f.module, '.', 1) = 'actors')
"""

# The kinds of triggers that a process knows: names, descriptions, schemas, examples.
REGISTER_TYPES = """
insert into scheduler_job_types (name, description, config_schema, example)
select name, description, config_schema::json, example::json
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as t(name, description, config_schema, example)
on conflict (name) do update
set description = excluded.description, config_schema = excluded.config_schema, example = excluded.example
"""
