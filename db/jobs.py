"""The SQL of jobs: every change of a job's state is one guarded statement with a name.

                 let through                 claim                      ┌──▶ succeeded
   waiting ────────────────────▶ queued ───────────────▶ running ───────┼──▶ failed      (dead letter)
      │                          ▲ ▲ ▲ │                   │ │ │        ├──▶ cancelled
      │        resume            │ │ │ │ cancel            │ │ │        └──▶ paused
      │   paused ────────────────┘ │ │ └──▶ cancelled      │ │ │
      └─▶ cancelled                │ └── retry, release ───┘ │ │
                                   └──── rescue ─────────────┴─┘

    waiting     not yet: its limit is full or its actor paused, as `blocked_by` says
    queued      to be run once `run_at` has come; `dispatched_at` says whether its message is in Redis
    running     claimed by `worker`, as run number `attempt`
    paused      stopped half-way, to be queued again from its checkpoint
    succeeded   ended well
    failed      ended for good after its last attempt: the dead letters
    cancelled   ended because somebody, or a rule, wanted so

A statement that returns no row for a job says that somebody else won: stop, never fix up. Whatever ends a run
names the run by state, attempt and worker, so a run that was given up can change nothing. All times are the
database's. Parameters are asyncpg's; the statements that take arrays take one element per job.

In those, the guards stand in coalesce(…, false), into which the planner does not look. It would believe its statistics,
by which no job is running or queued, expect one row, and compare each element with each row of a table that is small.
"""

from enum import IntEnum


def leave(*, fails: str, later: str, error: str) -> str:
    """The assignments that end a run which did not succeed: for good if it `fails`, else the job is queued again for
    `later`; unless somebody wants it cancelled or paused. What is wanted of a run is done with when the run is over."""
    over = f"({fails} or j.control is not distinct from 'cancel')"
    return f"""
        state = case when {fails} then 'failed' when j.control = 'cancel' then 'cancelled'
                     when j.control = 'pause' then 'paused' else 'queued' end,
        outcome = case when {fails} then 2 when j.control = 'cancel' then 3 end,
        finished_at = case when {over} then now() end,
        worker = case when {over} then j.worker end,
        run_at = case when {over} then j.run_at when j.control = 'pause' then 'infinity' else {later} end,
        resume_at = case when not {over} and j.control = 'pause' then {later} end,
        dispatched_at = case when {over} then j.dispatched_at end,
        error = case when {fails} or j.control is distinct from 'cancel' then {error}
                     else json_build_object('type', 'Cancelled', 'message', j.control_reason) end,
        control = null, control_reason = null"""


# What is paused stands at the end of its queue: nobody who looks for the next due job has to pass it. `resume_at` is
# when it was due, and will be. Jobs that run are left alone.
ASIDE = """
    resume_at = case when state = 'running' then null when run_at = 'infinity' then now() else run_at end,
    run_at = case state when 'running' then run_at else 'infinity' end"""
BACK = """
    run_at = case state when 'paused' then coalesce(resume_at, now()) else run_at end, resume_at = null"""

# Those of these ids that there are, each taken when the one before it is: ids.
IN_ORDER = "id = any(array(select id from jobs where id = any($1::uuid[]) order by id for no key update))"


class Outcome(IntEnum):
    """What `jobs.outcome` holds once a job has ended."""

    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3


_INSERT = """
insert into jobs (id, actor, queue, args, kwargs, options, priority, max_attempts, run_at, dispatched_at,
                  unique_key, owner, tags, parent_id, expires_at, unique_until_start)
select id, actor, queue, args::json, kwargs::json, options::json, priority, max_attempts,
       coalesce(run_at, now() + make_interval(secs => delay)), case when dispatch then now() end,
       unique_key, owner,
       case when tags is not null then array(select json_array_elements_text(tags::json)) end,
       parent_id, coalesce(run_at, now() + make_interval(secs => delay)) + make_interval(secs => expires),
       unique_until_start
from {rows}
"""

# A job: id, args, kwargs, may its message go to Redis at once; then its kind: actor, queue, options, priority,
# max_attempts, seconds of delay, run_at (or null), unique key, owner, tags (as JSON), parent, seconds after which it
# expires, is its unique key free once it starts.
INSERT = _INSERT.format(
    rows="""(values ($1::uuid, $2::text, $3::text, $4::bool, $5::text, $6::text, $7::text, $8::smallint, $9::int,
                $10::float8, $11::timestamptz, $12::text, $13::text, $14::text, $15::uuid, $16::float8, $17::bool))
     as t(id, args, kwargs, dispatch, actor, queue, options, priority, max_attempts, delay, run_at, unique_key, owner,
          tags, parent_id, expires, unique_until_start)"""
)

# The same for a job with a unique key: where that lives already no row is written. Looking for conflicts writes a sixth
# more of WAL.
INSERT_UNIQUE = f"{INSERT}on conflict do nothing"

# Many: the same as arrays, those of the jobs with the number of each job's kind, and those of the kinds. They have no
# unique key.
INSERT_MANY = _INSERT.format(
    rows="""unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::int[]) as t(id, args, kwargs, dispatch, kind)
join unnest($6::text[], $7::text[], $8::text[], $9::smallint[], $10::int[], $11::float8[], $12::timestamptz[],
            $13::text[], $14::text[], $15::text[], $16::uuid[], $17::float8[], $18::bool[]) with ordinality
     as kinds(actor, queue, options, priority, max_attempts, delay, run_at, unique_key, owner, tags, parent_id, expires,
              unique_until_start, kind) using (kind)"""
)

LIVE_BY_UNIQUE_KEY = "select id from jobs where unique_key = $1 and outcome is null"

# From now on a unique key makes no other job for so long, whatever becomes of this one; no row, if it made one before:
# key, id, seconds.
OPEN_WINDOW = """
insert into unique_windows as w (key, job_id, until) values ($1, $2, now() + make_interval(secs => $3))
on conflict (key) do update set job_id = excluded.job_id, until = excluded.until where w.until <= now()
returning job_id
"""

BY_WINDOW = "select job_id from unique_windows where key = $1"

# A debounced job that no message carries yet gets the arguments of the latest call, and waits anew; one that only
# waits for a limit or a person does not wait longer: unique key, args, kwargs, seconds of quiet, seconds after which it
# expires.
DEBOUNCE = """
update jobs set
    args = $2::json, kwargs = $3::json,
    run_at = case state when 'queued' then now() + make_interval(secs => $4) else run_at end,
    expires_at = now() + make_interval(secs => $4) + make_interval(secs => $5)
where unique_key = $1 and outcome is null and unique_until_start
  and state in ('queued', 'waiting', 'paused') and dispatched_at is null
returning id
"""

# A debounced job whose message is on its way has its arguments for good: the next call makes another job: unique key.
LET_GO = """
update jobs set unique_key = null
where unique_key = $1 and outcome is null and unique_until_start and dispatched_at is not null
returning id
"""

# A message that no row stands behind (sent by `actor.send()`, periodiq, another program) gets its row on arrival.
# `eta` (seconds since 1970, or null) is when it is due, at most so many seconds from now; one without is dispatched:
# its message is in our hands. `expires` is in how many seconds from then it must have started, or null.
ADOPT = """
insert into jobs (id, actor, queue, args, kwargs, options, priority, max_attempts, run_at, dispatched_at, expires_at)
select id, actor, queue, args::json, kwargs::json, options::json, priority, max_attempts, due,
       case when eta is null then now() end, due + make_interval(secs => expires)
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::int[],
            $9::float8[], $11::float8[])
     as t(id, actor, queue, args, kwargs, options, priority, max_attempts, eta, expires),
     least(coalesce(to_timestamp(eta), now()), now() + make_interval(secs => $10)) as due
on conflict (id) do nothing
"""

# queued -> running, by a worker that holds the job's message and its own row: ids, attempts of the messages, worker.
# Duplicate, stale, cancelled, expired and not yet due messages return no row: drop them.
CLAIM = """
with me as materialized (select id from workers where id = $3 for key share)
update jobs j set state = 'running', attempt = j.attempt + 1, worker = me.id, started_at = now(),
       unique_key = case when j.unique_until_start then null else j.unique_key end
from me, unnest($1::uuid[], $2::int[]) as m(id, attempt)
where j.id = m.id and j.attempt = m.attempt and coalesce(j.state = 'queued' and j.run_at <= now()
  and (j.expires_at is null or j.expires_at > now() or j.started_at is not null), false)
returning j.id, j.max_attempts, j.releases, j.workflow_id
"""

# After a claim whose answer was lost: which of them did this worker get? ids, attempts of the messages, worker.
CLAIMED = """
select j.id, j.max_attempts, j.releases, j.workflow_id
from jobs j join unnest($1::uuid[], $2::int[]) as m(id, attempt) on j.id = m.id and j.attempt = m.attempt + 1
where coalesce(j.state = 'running' and j.worker = $3, false)
"""

# running -> succeeded: ids, attempts, results as JSON or null, worker.
SUCCEED = """
update jobs j set state = 'succeeded', outcome = 1, finished_at = now(), result = r.result::json,
       control = null, control_reason = null
from unnest($1::uuid[], $2::int[], $3::text[]) as r(id, attempt, result)
where j.id = r.id and j.attempt = r.attempt and coalesce(j.state = 'running' and j.worker = $4, false)
returning j.id
"""

# running -> succeeded inside the actor's own transaction, which may have begun long ago: id, attempt, worker.
SUCCEED_WITH_WORK = """
update jobs set state = 'succeeded', outcome = 1, finished_at = clock_timestamp(), control = null, control_reason = null
where id = $1 and attempt = $2 and state = 'running' and worker = $3
returning id
"""

# After a commit of that whose answer was lost: did it get through? If it still is on its way, this waits for it: id,
# attempt, worker.
SUCCEEDED_WITH_WORK = """
select state = 'succeeded' from jobs where id = $1 and attempt = $2 and worker = $3 for share
"""

# The result of a job that its own transaction has already ended: id, attempt, worker, result.
STORE_RESULT = """
update jobs set result = $4::json
where id = $1 and attempt = $2 and state = 'succeeded' and worker = $3
returning id
"""

# running -> queued again, after `delay` seconds, or -> failed where `delay` is null; the attempt is kept either way:
# ids, attempts, error types, error messages, tracebacks, delays, worker.
FAIL = """
with ended as (
    update jobs j set {leave}
    from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::float8[])
         as f(id, attempt, error_type, error_message, traceback, delay)
    where j.id = f.id and j.attempt = f.attempt and coalesce(j.state = 'running' and j.worker = $7, false)
    returning j.id, j.attempt, j.started_at, f.error_type, f.error_message, f.traceback
), kept as (
    insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)
    select id, attempt, $7, started_at, error_type, error_message, traceback from ended
)
select id from ended
""".replace(
    "{leave}",
    leave(
        fails="f.delay is null",
        later="now() + make_interval(secs => f.delay)",
        error="json_build_object('type', f.error_type, 'message', f.error_message)",
    ),
)

# running -> cancelled: ids, attempts, reasons, worker.
CANCEL_RUNNING = """
update jobs j set state = 'cancelled', outcome = 3, finished_at = now(), control = null, control_reason = null,
       error = json_build_object('type', 'Cancelled', 'message', c.reason)
from unnest($1::uuid[], $2::int[], $3::text[]) as c(id, attempt, reason)
where j.id = c.id and j.attempt = c.attempt and coalesce(j.state = 'running' and j.worker = $4, false)
returning j.id
"""

# running -> queued, because the worker stops, or because the job wants to be run later; or -> paused, if somebody wants
# that: ids, attempts, seconds until then, worker. The attempt number stays (it must only grow), so the job gets one
# more: a deploy or a pause uses up no attempt.
RELEASE = """
update jobs j set max_attempts = j.max_attempts + 1, releases = j.releases + 1, {leave}
from unnest($1::uuid[], $2::int[], $3::float8[]) as r(id, attempt, delay)
where j.id = r.id and j.attempt = r.attempt and coalesce(j.state = 'running' and j.worker = $4, false)
returning j.id
""".replace("{leave}", leave(fails="false", later="now() + make_interval(secs => r.delay)", error="j.error"))

# What somebody wants of this worker's runs: worker.
CONTROLLED = """
select id, attempt, control, control_reason from jobs where control is not null and outcome is null and worker = $1
"""

# queued -> queued later, because this worker does not know the actor (a deploy is under way), or -> failed if no worker
# has known it for too long: ids, attempts, seconds until the next try, seconds since the first one after which it is
# given up. `error` says since when, and why the job waits.
PUT_OFF = """
update jobs j set
    state = case when p.is_given_up then 'failed' else 'queued' end,
    outcome = case when p.is_given_up then 2 end,
    finished_at = case when p.is_given_up then now() end,
    run_at = case when p.is_given_up then j.run_at else now() + make_interval(secs => $3) end,
    dispatched_at = case when p.is_given_up then j.dispatched_at end,
    error = json_build_object(
        'type', 'UnknownActor', 'since', p.since,
        'message', 'No worker that was given it knows its actor. Deploy the actor, then run the job again.')
from (
    select k.id, m.attempt, s.since, s.since < now() - make_interval(secs => $4) as is_given_up
    from unnest($1::uuid[], $2::int[]) as m(id, attempt)
    join jobs k on k.id = m.id
    cross join lateral (
        select case when k.error->>'type' = 'UnknownActor'
                         and (k.error->>'since')::timestamptz > coalesce(k.started_at, '-infinity')
                    then (k.error->>'since')::timestamptz else now() end as since
    ) s
) p
where j.id = p.id and j.attempt = p.attempt and j.state = 'queued'
returning j.id, j.state
"""

# failed, cancelled -> queued, because a person wants it run again: ids. Attempts go on counting; it gets one more at
# least. Not while its end counts for a step that goes on with other jobs: it would count twice.
QUEUE_AGAIN = """
update jobs set state = 'queued', outcome = null, finished_at = null, worker = null, run_at = now(),
       dispatched_at = null, error = null, expires_at = null,
       is_reported = case when workflow_id is not null then false end,
       max_attempts = case when max_attempts is not null then attempt + greatest(1, max_attempts - attempt) end
where {in_order} and state in ('failed', 'cancelled')
  and (unique_key is null
       or not exists (select from jobs l where l.unique_key = jobs.unique_key and l.outcome is null))
  and (is_reported is not true
       or not exists (select from workflow_steps s where s.run = jobs.step_run and s.state = 'running'))
returning id
""".replace("{in_order}", IN_ORDER)

# Which of these are over, or gone: ids. One that its own transaction has ended gets a second to write its result.
OVER = """
select w.id from unnest($1::uuid[]) as w(id) left join jobs j on j.id = w.id
where j.id is null
   or j.outcome is not null and (j.outcome <> 1 or j.result is not null or j.finished_at < now() - interval '1 s')
"""

# The messages of these jobs did not get to Redis, or are gone from it: ids, attempts.
UNDISPATCH = """
update jobs j set dispatched_at = null
from unnest($1::uuid[], $2::int[]) as u(id, attempt)
where j.id = u.id and j.attempt = u.attempt and coalesce(j.state = 'queued' and j.dispatched_at is not null, false)
returning j.id
"""

# Which queues have live jobs, a step along the index for each: the first part of a `with`.
LIVE_QUEUES = """recursive live as (
    (select queue from jobs where outcome is null order by queue limit 1)
    union all
    select n.queue from live l cross join lateral (
        select j.queue from jobs j where j.outcome is null and j.queue > l.queue order by j.queue limit 1
    ) n
)"""

# Which (queue, priority) pairs have live jobs, when the next job that nobody has sent yet is due, and whether the queue
# is paused. A loose index scan: its cost grows with the number of pairs, not of jobs.
LEVELS = """
with recursive levels as (
    (select queue, priority from jobs where outcome is null order by queue, priority limit 1)
    union all
    select n.queue, n.priority from levels l cross join lateral (
        select j.queue, j.priority from jobs j
        where j.outcome is null and (j.queue, j.priority) > (l.queue, l.priority)
        order by j.queue, j.priority limit 1
    ) n
)
select l.queue, l.priority, extract(epoch from d.run_at - now())::float8 as due_in,
       exists (select from pauses p where p.kind = 'queue' and p.name = l.queue and p.until > now()) as is_paused
from levels l left join lateral (
    select j.run_at from jobs j
    where j.outcome is null and j.queue = l.queue and j.priority = l.priority
      and j.state = 'queued' and j.dispatched_at is null
    order by j.run_at limit 1
) d on true
"""

# The relay's work: due, undispatched jobs of a queue and priority, oldest first, marked as dispatched: queue,
# priority, most. Several relays take different rows.
DISPATCH = """
with due as materialized (
    select id from jobs
    where outcome is null and queue = $1 and priority = $2 and run_at <= now()
      and state = 'queued' and dispatched_at is null
    order by run_at limit $3 for update skip locked
)
update jobs j set dispatched_at = now() from due where j.id = due.id
returning j.id, j.actor, j.queue, j.args::text, j.kwargs::text, j.options::text, j.priority, j.attempt, j.run_at,
          (extract(epoch from j.created_at) * 1000)::bigint as created_ms
"""

# Jobs said to be in Redis for some time that no worker has claimed, longest there first: queue, seconds, most of them,
# how many to look at. These are the oldest of each priority, which are sent first: behind them a million may wait.
UNCLAIMED = """
with recursive levels as (
    (select queue, priority from jobs where outcome is null and queue = $1 order by priority limit 1)
    union all
    select n.queue, n.priority from levels l cross join lateral (
        select j.queue, j.priority from jobs j where j.outcome is null and j.queue = l.queue and j.priority > l.priority
        order by j.priority limit 1
    ) n
)
select o.id, l.priority, o.attempt from levels l cross join lateral (
    select j.id, j.attempt, j.dispatched_at from jobs j
    where j.outcome is null and j.queue = l.queue and j.priority = l.priority
      and j.run_at <= now() and j.state = 'queued'
    order by j.run_at limit $4
) o
where o.dispatched_at < now() - make_interval(secs => $2)
order by o.dispatched_at limit $3
"""

# waiting, queued -> cancelled, because they were to start in time and have not: most, oldest first.
EXPIRE = """
update jobs set state = 'cancelled', outcome = 3, finished_at = now(), blocked_by = null,
       run_at = case when run_at = 'infinity' then now() else run_at end,
       error = json_build_object('type', 'Expired', 'message', 'expired: it was to start by ' || expires_at)
where id = any(array(
    select id from jobs
    where expires_at <= now() and outcome is null and state in ('waiting', 'queued') and started_at is null
    order by expires_at limit $1 for update skip locked
))
returning id
"""

# Unique keys whose time is over, longest ago first: most.
CLOSE_WINDOWS = """
delete from unique_windows where key = any(array(
    select key from unique_windows where until <= now() order by until limit $1 for update skip locked
))
returning key
"""

# Ended jobs past their retention, oldest first: outcome, seconds, most. Their attempts go with them. Those of a
# workflow that goes on are kept: it may still ask for their results.
DELETE_ENDED = """
delete from jobs where id = any(array(
    select id from jobs j where outcome = $1 and finished_at < now() - make_interval(secs => $2)
      and (workflow_id is null
           or not exists (select from workflows w where w.id = j.workflow_id and w.finished_at is null))
    order by finished_at limit $3 for update skip locked
))
"""
