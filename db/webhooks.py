"""The SQL of webhooks: one job carries one delivery; the delivery's row says what became of it.

                    claim                  attempt failed, schedule goes on
    (waiting) ──────────────▶ (under way) ──────────────────────────────▶ (waiting)
                                  │
                                  ├──▶ succeeded    2xx
                                  ├──▶ exhausted    the schedule is over; kept, and can be replayed
                                  ├──▶ gone         410: the endpoint is disabled
                                  └──▶ aborted      the receiver wants no more of this message
    (waiting) ──▶ skipped      its endpoint is disabled: kept, and can be replayed
    (waiting) ──▶ cancelled    somebody cancelled its job

The claim is committed before the request, and names the run by the attempt of its job, which only grows: a run that was
given up cannot write. A run that finds another's request under way notes it as an attempt whose answer was lost.
All times are the database's. Parameters are asyncpg's.

Claims and records of many runs are one statement each. It takes the rows that are free (`…_FREE`), so that a row which
somebody holds for long keeps nobody else waiting; what it left out is asked for alone, and waits. Rows are locked
endpoints first, in the order of their ids, so that nobody waits in a circle.
"""

# A message: id, event type, body, idempotency key. No row: there is one with that key.
INSERT_MESSAGE = """
insert into webhook_messages (id, event_type, body, idempotency_key) values ($1, $2, $3, $4)
on conflict (idempotency_key) where idempotency_key is not null do nothing
returning id
"""

# `url` is that of a message for one address.
MESSAGE_BY_KEY = """
select m.id, m.event_type, m.body,
       (select d.url from webhook_deliveries d
        where d.message_id = m.id and d.url is not null and d.replay_of is null limit 1) as url
from webhook_messages m where m.idempotency_key = $1
"""

# Who is told of an event: event type.
MATCHING = """
select id, ordered, disabled_at is not null as is_disabled from webhook_endpoints
where (event_types is null or $1 = any(event_types)) and deleted_at is null
order by id
"""

# Endpoints are held until the end of the transaction; who decides what an ordered one gets next holds it first, in a
# statement of its own: one that waits for a row sees all others as they were before it waited. Returns each as it is
# once it is held: ids.
HOLD = "select id, ordered from webhook_endpoints where id = any($1::uuid[]) order by id for update"

# Those of which nothing is under way or waiting: endpoints, held.
IDLE = """
select e.id from unnest($1::uuid[]) e(id)
where not exists (select from webhook_deliveries d where d.endpoint_id = e.id and d.outcome is null)
"""

# Deliveries, as arrays: ids, messages, endpoints, URLs, sealed, replays of, jobs, outcomes.
INSERT_DELIVERIES = """
insert into webhook_deliveries (id, message_id, endpoint_id, url, sealed, replay_of, job_id, outcome, ended_at)
select id, message_id, endpoint_id, url, sealed, replay_of, job_id, outcome,
       case when outcome is not null then now() end
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[])
     as t(id, message_id, endpoint_id, url, sealed, replay_of, job_id, outcome)
"""

# Runs take their deliveries, where nothing speaks against it now: ids, jobs, attempts of the jobs. `number` is that of
# the attempt, null where something does. No row: it has ended, or a later run has it.
# A place within the rate that has passed counts as none, or all that a pause has kept would leave at once. It may have
# passed by three seconds for each run since the last attempt: where workers are always late, that grows until it does.
_CLAIM = """
with mine as materialized (
    select d.id, a.run, d.attempts, d.started_at, d.slot_at, d.failures, d.message_id, d.endpoint_id, d.sealed,
           coalesce(e.url, d.url) as url, e.headers, e.secrets::text, coalesce(e.timeout, 15) as timeout, e.rate,
           e.schedule, coalesce(e.ordered, false) as ordered, e.disabled_at is not null as is_disabled,
           extract(epoch from e.throttled_until - now())::float8 as quiet_for,
           case when d.slot_at > now() - make_interval(secs => 3 * (a.run - d.run))
                then extract(epoch from d.slot_at - now())::float8 end as slot_in,
           extract(epoch from now() - e.failing_since)::float8 as failing_for,
           extract(epoch from now() - e.warned_at)::float8 as warned_for
    from unnest($1::uuid[], $2::uuid[], $3::int[]) as a(id, job_id, run)
    join webhook_deliveries d on d.id = a.id left join webhook_endpoints e on e.id = d.endpoint_id
    where d.job_id = a.job_id and d.run < a.run and d.outcome is null
    order by d.id for no key update of d{waiting}
), lost as (
    insert into webhook_attempts (delivery_id, number, started_at, url, code, error)
    select id, attempts, started_at, url, 'lost', 'The worker ended while the request was under way.'
    from mine where started_at is not null
), claimed as (
    update webhook_deliveries d
    set run = mine.run, attempts = d.attempts + 1, started_at = now(), next_attempt_at = null
    from mine where d.id = mine.id and not mine.is_disabled and coalesce(mine.quiet_for, 0) <= 0
      and (mine.rate is null or mine.slot_in <= 0)
    returning d.id, d.attempts as number
), left_alone as (
    update webhook_deliveries d set started_at = null
    from mine where d.id = mine.id and mine.started_at is not null
      and (mine.is_disabled or mine.quiet_for > 0 or mine.rate is not null and coalesce(mine.slot_in, 1) > 0)
)
select mine.*, c.number, now() as now, m.event_type, m.body
from mine join webhook_messages m on m.id = mine.message_id left join claimed c on c.id = mine.id
"""
CLAIM, CLAIM_FREE = _CLAIM.format(waiting=""), _CLAIM.format(waiting=" skip locked")

# What is known of a delivery that cannot be claimed.
OUTCOME = "select outcome from webhook_deliveries where id = $1"

# The next place within an endpoint's rate, taken for a delivery that has none: delivery, endpoint. Returns the
# seconds until it.
TAKE_SLOT = """
with slot as (
    update webhook_endpoints set next_slot_at = greatest(now(), next_slot_at) + make_interval(secs => 1 / rate)
    where id = $2 and rate is not null
    returning next_slot_at - make_interval(secs => 1 / rate) as at
)
update webhook_deliveries d set slot_at = slot.at from slot where d.id = $1
returning extract(epoch from slot.at - now())::float8
"""

# What attempts came to, as arrays: deliveries, attempts of the jobs, outcomes or null, does it count as a failure (1),
# seconds until the next one or null, when they started, URLs, request headers, statuses, codes, errors, response
# headers, response bodies, were they truncated, addresses, timings, seconds of quiet for the endpoint or null. An
# endpoint's row is only written where that says something new: that it works again, asks for quiet, or began to fail,
# which attempts that do not count do not say, nor those that failed on our side (`internal`, `proxy`). Those that
# are not returned were given up.
_RECORD = """
with told as materialized (
    select * from unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::float8[], $6::timestamptz[], $7::text[],
                         $8::text[], $9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bool[],
                         $15::text[], $16::text[], $17::float8[])
        as t(id, run, outcome, failures, delay, started_at, url, request_headers, status, code, error,
             response_headers, response_body, truncated, address, timings, quiet)
), new as materialized (
    select e.id from webhook_endpoints e join (
        select d.endpoint_id as id, bool_or(t.outcome is not distinct from 'succeeded') as works,
               bool_or(t.failures > 0 and coalesce(t.code not in ('internal', 'proxy'), true)) as fails,
               bool_or(t.quiet is not null) as asks
        from told t join webhook_deliveries d on d.id = t.id group by d.endpoint_id
    ) s on s.id = e.id
    where case when e.failing_since is null then s.fails and not s.works else s.works end or s.asks
), held as materialized (
    select e.id from webhook_endpoints e where e.id in (select id from new) order by e.id for no key update{waiting}
), mine as materialized (
    select d.id from told t join webhook_deliveries d on d.id = t.id
    where d.run = t.run and d.outcome is null and d.started_at is not null
      and (d.endpoint_id is null or d.endpoint_id not in (select id from new)
           or d.endpoint_id in (select id from held))
    order by d.id for no key update of d{waiting}
), delivery as (
    update webhook_deliveries d
    set started_at = null, slot_at = null, failures = d.failures + t.failures, outcome = t.outcome,
        ended_at = case when t.outcome is not null then now() end,
        next_attempt_at = now() + make_interval(secs => t.delay)
    from mine join told t on t.id = mine.id where d.id = mine.id
    returning d.id, d.attempts, d.endpoint_id, d.next_attempt_at
), attempt as (
    insert into webhook_attempts (delivery_id, number, started_at, url, request_headers, status, code, error,
                                  response_headers, response_body, truncated, address, timings, next_attempt_at)
    select d.id, d.attempts, t.started_at, t.url, t.request_headers::json, t.status, t.code, t.error,
           t.response_headers::json, t.response_body, t.truncated, t.address, t.timings::json, d.next_attempt_at
    from delivery d join told t on t.id = d.id
), endpoint as (
    update webhook_endpoints e
    set failing_since = case when s.works then null when s.fails then coalesce(e.failing_since, now())
                             else e.failing_since end,
        warned_at = case when not s.works then e.warned_at end,
        throttled_until = greatest(e.throttled_until, now() + make_interval(secs => s.quiet))
    from (
        select d.endpoint_id as id, bool_or(t.outcome is not distinct from 'succeeded') as works,
               bool_or(t.failures > 0 and coalesce(t.code not in ('internal', 'proxy'), true)) as fails,
               max(t.quiet) as quiet
        from delivery d join told t on t.id = d.id where d.endpoint_id in (select id from held) group by d.endpoint_id
    ) s where e.id = s.id
)
select id from delivery
"""
RECORD, RECORD_FREE = _RECORD.format(waiting=""), _RECORD.format(waiting=" skip locked")

# Ended without an attempt: id, attempt of the job, outcome.
END = """
update webhook_deliveries set outcome = $3, ended_at = now(), run = $2, next_attempt_at = null
where id = $1 and run <= $2 and outcome is null
returning id
"""

# The first of an ordered endpoint's deliveries that waits for its turn, if nothing is under way: endpoint, held.
NEXT_IN_ORDER = """
select d.id from webhook_deliveries d
where d.endpoint_id = $1 and d.outcome is null
  and not exists (select from webhook_deliveries o where o.endpoint_id = $1 and o.outcome is null
                                                    and o.job_id is not null)
order by d.id limit 1
"""

# All that wait for their turn, of an endpoint that is not ordered any more: endpoint, held.
WAITING_IN_ORDER = """
select id from webhook_deliveries where endpoint_id = $1 and outcome is null and job_id is null order by id
"""

# deliveries, jobs.
SET_JOBS = """
update webhook_deliveries d set job_id = t.job_id
from unnest($1::uuid[], $2::uuid[]) as t(id, job_id) where d.id = t.id
"""

# Nothing more is sent to an endpoint: id, reason, seconds for which nothing but failures must have come, or null. What
# waits for its turn there is skipped at once, what has a job when that runs. No row: it was disabled already, or works.
DISABLE = """
with disabled as (
    update webhook_endpoints set disabled_at = now(), disabled_reason = $2
    where id = $1 and disabled_at is null
      and ($3::float8 is null or failing_since < now() - make_interval(secs => $3))
    returning id, url, description, owner_email, disabled_at
), skipped as (
    update webhook_deliveries d set outcome = 'skipped', ended_at = now()
    from disabled where d.endpoint_id = disabled.id and d.outcome is null and d.job_id is null
)
select * from disabled
"""

# People are told that an endpoint fails: id, seconds of failing after which they are told again, and after which it is
# disabled. No row: it works, is disabled, or they were told.
WARN = """
update webhook_endpoints set warned_at = now()
where id = $1 and disabled_at is null and failing_since is not null
  and (warned_at is null
       or failing_since + make_interval(secs => $2) <= now()
          and warned_at < failing_since + make_interval(secs => $2))
returning url, owner_email, failing_since, failing_since + make_interval(secs => $3) as end_at
"""

# Nothing more goes to an endpoint, nobody sees it, and it cannot be enabled; its deliveries are still there: id. No
# row: somebody was faster.
DELETE_ENDPOINT = """
update webhook_endpoints
set deleted_at = now(), disabled_at = coalesce(disabled_at, now()),
    disabled_reason = coalesce(disabled_reason, 'It was deleted.')
where id = $1 and deleted_at is null
returning url
"""

DELETED_ENDPOINTS = "select id from webhook_endpoints where deleted_at is not null order by id"

# Some of a deleted endpoint's deliveries, with their attempts; returns the jobs that carry those that have not ended:
# endpoint, most.
DELETE_DELIVERIES = """
delete from webhook_deliveries where id = any(array(
    select id from webhook_deliveries where endpoint_id = $1 limit $2 for update skip locked
))
returning case when outcome is null then job_id end as job_id
"""

# A deleted endpoint of which nothing is left: id.
FORGET_ENDPOINT = """
delete from webhook_endpoints e
where id = $1 and deleted_at is not null
  and not exists (select from webhook_deliveries d where d.endpoint_id = e.id)
"""

ENABLE = """
update webhook_endpoints
set disabled_at = null, disabled_reason = null, failing_since = null, warned_at = null, throttled_until = null,
    next_slot_at = null
where id = $1 and disabled_at is not null and deleted_at is null
returning id
"""

# Somebody sent another delivery to an address of his own, to try it.
_IS_TRY = """d.url is not null and d.replay_of is not null
      and (select o.url from webhook_deliveries o where o.id = d.replay_of) is distinct from d.url"""

# What to send again, oldest first, of each message and endpoint the newest delivery only, no tries: after this id,
# endpoint or null, outcomes, since or null, until or null, event types or null, the job that asks (what was made after
# it is left alone), most.
TO_REPLAY = """
select d.id, d.message_id, d.endpoint_id, d.url, d.sealed,
       coalesce(e.ordered, false) as ordered, coalesce(e.disabled_at is not null, false) as is_disabled
from webhook_deliveries d
join webhook_messages m on m.id = d.message_id
left join webhook_endpoints e on e.id = d.endpoint_id
where d.id > $1 and ($2::uuid is null or d.endpoint_id = $2) and d.outcome = any($3::text[])
  and ($4::timestamptz is null or d.created_at >= $4) and ($5::timestamptz is null or d.created_at < $5)
  and ($6::text[] is null or m.event_type = any($6))
  and d.created_at < (select created_at from jobs where id = $7)
  and not exists (select from webhook_deliveries later
                  where later.message_id = d.message_id and later.endpoint_id is not distinct from d.endpoint_id
                    and later.url is not distinct from d.url and later.id > d.id)
  and not ({is_try})
order by d.id limit $8
""".replace("{is_try}", _IS_TRY)

# One delivery, to be sent again: id.
ONE_TO_REPLAY = """
select d.id, d.message_id, d.endpoint_id, d.url, d.sealed, d.outcome, ({is_try}) as is_try,
       coalesce(e.ordered, false) as ordered, coalesce(e.disabled_at is not null, false) as is_disabled
from webhook_deliveries d left join webhook_endpoints e on e.id = d.endpoint_id
where d.id = $1
""".replace("{is_try}", _IS_TRY)

# How many TO_REPLAY would return, counted no further than a limit: endpoint or null, outcomes, since or null, until or
# null, event types or null, most.
COUNT_TO_REPLAY = """
select count(*) from (
    select from webhook_deliveries d
    join webhook_messages m on m.id = d.message_id
    where ($1::uuid is null or d.endpoint_id = $1) and d.outcome = any($2::text[])
      and ($3::timestamptz is null or d.created_at >= $3) and ($4::timestamptz is null or d.created_at < $4)
      and ($5::text[] is null or m.event_type = any($5))
      and not exists (select from webhook_deliveries later
                      where later.message_id = d.message_id and later.endpoint_id is not distinct from d.endpoint_id
                        and later.url is not distinct from d.url and later.id > d.id)
      and not ({is_try})
    limit $6
) found
""".replace("{is_try}", _IS_TRY)

# How many deliveries of an endpoint have not ended: endpoint, most.
COUNT_OPEN = """
select count(*) from (select from webhook_deliveries where endpoint_id = $1 and outcome is null limit $2) found
"""

# What a list of deliveries shows besides: deliveries. `status` and `code` are those of the latest attempt.
TOLD = """
select d.id, m.event_type, e.url, a.status, a.code, ({is_try}) as is_try
from webhook_deliveries d
join webhook_messages m on m.id = d.message_id
left join webhook_endpoints e on e.id = d.endpoint_id
left join lateral (select status, code from webhook_attempts a where a.delivery_id = d.id
                   order by number desc limit 1) a on true
where d.id = any($1::uuid[])
""".replace("{is_try}", _IS_TRY)

# How endpoints have done over the last 24 h, as far as their newest deliveries tell: endpoints, how many deliveries.
HEALTH = """
select e.id, h.succeeded, h.ended, h.waiting
from unnest($1::uuid[]) e(id), lateral (
    select count(*) filter (where outcome = 'succeeded') as succeeded, count(outcome) as ended,
           count(*) filter (where outcome is null) as waiting
    from (select outcome, created_at from webhook_deliveries d where d.endpoint_id = e.id
          order by d.id desc limit $2) newest
    where created_at > now() - interval '24 hours'
) h
"""

# Deliveries whose jobs were cancelled, failed without a word from their actor, or were deleted. Who is at work on one
# says himself what becomes of it. Both sides are found among what has not ended, however much has.
SETTLE_ENDED = """
update webhook_deliveries set outcome = 'cancelled', ended_at = now(), started_at = null
where id = any(array(
    select d.id from webhook_deliveries d
    where d.outcome is null and d.job_id is not null
      and not exists (select from jobs j where j.id = d.job_id and j.outcome is null)
    for no key update skip locked
))
returning id
"""

# Endpoints where deliveries wait for their turn and nobody is there to hand on to them.
STANDING_STILL = """
select e.id from webhook_endpoints e
where e.deleted_at is null
  and exists (select from webhook_deliveries d
              where d.endpoint_id = e.id and d.outcome is null and d.job_id is null)
  and not (e.ordered and exists (select from webhook_deliveries d
                                 where d.endpoint_id = e.id and d.outcome is null and d.job_id is not null))
"""

# Messages past their retention of which nothing is under way, with all that belongs to them; those that did not get to
# everybody are kept longer: seconds, seconds of these, most.
DELETE_OLD = """
delete from webhook_messages where id = any(array(
    select m.id from webhook_messages m
    where m.created_at < now() - make_interval(secs => $1)
      and not exists (select from webhook_deliveries d where d.message_id = m.id
                      and (d.outcome is null
                           or d.outcome in ('exhausted', 'gone', 'aborted', 'skipped')
                              and m.created_at >= now() - make_interval(secs => $2)))
    order by m.created_at limit $3 for update skip locked
))
"""
