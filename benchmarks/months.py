"""Fills an empty database as a month of use leaves it: a million jobs, most of which have ended, and what they left.

Values are spread as in real life: few actors have most jobs, most values are common and some are there once. All of it
is made by PostgreSQL itself, from numbered rows; jobs and errors are then counted by the statements of the scheduler.
"""

import time
from collections.abc import Callable

import asyncpg

from benchmarks.place import Place
from db import statistics

RARE_ACTOR, RARE_QUEUE, RARE_TAG, RARE_OWNER = "audit_archive", "archive", "once:yes", "grace"
RARE_WORD = "zanzibar"  # in the arguments of few jobs, and in few errors
RARE_TYPE = "LookupError"

# Things that the statements below share: the id that belongs to a moment and a number, and a word of a list by chance.
FUNCTIONS = """
create function pg_temp.id(at timestamptz, n bigint) returns uuid language sql immutable as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
            || substr(md5(n::text), 4, 15))::uuid
$$;
create function pg_temp.worker(n bigint) returns uuid language sql immutable as $$
    select ('00000000-0000-7000-8000-' || lpad((n % 12)::text, 12, '0'))::uuid
$$;
create function pg_temp.moment(n bigint, of bigint) returns timestamptz language sql stable as $$
    select now() - interval '30 days' * ((of - n)::float8 / of)
$$;
"""

ACTORS = """array['send_email', 'deliver_webhook', 'resize_image', 'charge_card', 'sync_contact', 'index_document',
    'build_report', 'import_rows', 'export_rows', 'notify_team', 'refresh_cache', 'scan_upload', 'render_invoice',
    'close_month', 'train_model', 'cleanup_completed_jobs', 'health_check', 'poll_partner', 'geocode', 'translate',
    'merge_accounts', 'rotate_logs', 'check_links', 'warm_search']"""
QUEUES = "array['email', 'webhooks', 'default', 'default', 'imports', 'default', 'reports', 'default']"

# Jobs that have ended, or not. $1 jobs, $2 live ones.
JOBS = f"""
insert into jobs (id, actor, queue, args, kwargs, priority, state, attempt, max_attempts, run_at, dispatched_at, worker,
                  created_at, started_at, finished_at, outcome, unique_key, owner, tags, result, error, parent_id,
                  control, control_reason, blocked_by, resume_at)
select pg_temp.id(created_at, n),
       case when n % 200003 = 7 then '{RARE_ACTOR}' else ({ACTORS})[actor] end,
       case when n % 200003 = 7 then '{RARE_QUEUE}' else ({QUEUES})[1 + actor % 8] end,
       json_build_array(n, case when n % 250007 = 11 then '{RARE_WORD}' else 'item-' || n % 1000 end),
       json_build_object('order_id', 'order-' || n, 'customer', 'customer-' || n % 5000, 'amount', n % 997,
                         'note', 'Delivered to the side door, ring twice. Ref ' || md5(n::text), 'dry_run', false),
       (n % 3)::smallint * 10, state,
       case when state in ('queued', 'waiting') and live is distinct from 'retrying' then 0 else 1 + retries end, 4,
       case live when 'scheduled' then now() + n % 2000 * interval '1 min' when 'waiting' then 'infinity'
                 when 'paused' then 'infinity'
                 when 'retrying' then now() + n % 300 * interval '1 s' else created_at end,
       case when outcome is not null or live in ('running', 'queued') and n % 3 = 0 then created_at end,
       case when outcome is not null or state = 'running' then pg_temp.worker(n) end,
       created_at,
       case when outcome is not null or state in ('running', 'paused') then started_at end,
       case when outcome is not null then started_at + ran end,
       outcome,
       case when n % 50 = 0 then 'key-' || n end,
       case when n % 400009 = 13 then '{RARE_OWNER}' when n % 5 < 2 then 'team-' || n % 40 end,
       case when n % 333337 = 17 then array['{RARE_TAG}']
            when n % 3 = 0 then array['customer:' || n % 5000, case when n % 2 = 0 then 'nightly' else 'bulk' end] end,
       case outcome when 1 then json_build_object('rows', n % 1000, 'took', n % 60) end,
       case when outcome = 2 or retries > 0 then json_build_object('type', type, 'message', message) end,
       case when n % 100 = 1 then pg_temp.id(pg_temp.moment(n / 1000 * 1000 + 1, $1), n / 1000 * 1000 + 1) end,
       case when live = 'running' and n % 40 = 0 then 'cancel' end,
       case when live = 'running' and n % 40 = 0 then 'no longer needed' end,
       case live when 'waiting' then 'limit:customer-' || n % 50 end,
       case live when 'paused' then created_at end
from (
    select *, pg_temp.moment(n, $1) as created_at, pg_temp.moment(n, $1) + waited as started_at,
           case when live is not null then case live when 'scheduled' then 'queued' when 'retrying' then 'queued'
                                                     else live end
                when luck < 0.945 then 'succeeded' when luck < 0.985 then 'failed' else 'cancelled' end as state,
           case when live is not null then null when luck < 0.945 then 1 when luck < 0.985 then 2 else 3 end as outcome,
           case when n % 500009 = 19 then '{RARE_TYPE}' else (array['TimeoutError', 'ConnectionError', 'ValueError',
                'KeyError', 'HTTPStatusError', 'IntegrityError', 'PermissionError', 'SMTPException'])[problem]
           end as type,
           case when n % 500009 = 19 then 'no such place: {RARE_WORD}' else (array[
                'order-' || n || ' timed out after 30 s', 'partner ' || n % 40 || ' closed the connection',
                'invalid literal for int() with base 10: ''x' || n || '''', '''customer-' || n % 5000 || '''',
                'POST https://partner.example/v1/orders/' || n || ' answered 502 Bad Gateway',
                'duplicate key value violates unique constraint "orders_pkey" (id)=(' || n || ')',
                'no access to /srv/share/' || n % 100, '451 4.3.0 try again later'])[problem] end as message
    from (
        select n, random() as luck, 1 + floor(power(random(), 3) * 24)::int as actor,
               1 + floor(power(random(), 2) * 8)::int as problem,
               make_interval(secs => power(random(), 4) * 20) as waited,
               make_interval(secs => power(random(), 6) * 90 + 0.01) as ran,
               case when random() < 0.02 then 1 + floor(random() * 3)::int else 0 end as retries,
               case when n > $1::bigint - $2::bigint then
                   (array['queued', 'queued', 'queued', 'scheduled', 'waiting', 'retrying', 'paused', 'running'])[
                       case when n % 40 = 0 then 8 else 1 + n % 7 end] end as live
        from generate_series(1, $1::bigint) n
    ) numbers
) jobs
"""

# Of failed jobs three attempts, of others with an error one each.
ATTEMPTS = """
insert into job_attempts (job_id, attempt, worker, started_at, ended_at, error_type, error_message, traceback)
select j.id, a, pg_temp.worker(a), coalesce(j.started_at, j.created_at) - (j.attempt - a) * interval '1 min',
       coalesce(j.finished_at, j.started_at, j.created_at) - (j.attempt - a) * interval '1 min', j.error->>'type',
       j.error->>'message',
       repeat('  File "/app/actors/orders.py", line ' || 40 + a || E', in charge\\n    await client.post(url)\\n', 12)
       || (j.error->>'type') || ': ' || (j.error->>'message')
from jobs j cross join generate_series(1, j.attempt) a
where j.error is not null and (j.outcome = 2 or a < j.attempt)
"""

# $1 lines: half of them of one job, the newest one that runs.
LOGS = """
insert into job_logs (job_id, attempt, line, level, logged_at, message, fields)
select id, 1, line, case when line % 500 = 0 then 40 when line % 50 = 0 then 30 else 20 end,
       now() - (100000 - line) * interval '1 s', 'order-' || line || ' was written to partner ' || line % 7,
       case when line % 3 = 0 then json_build_object('order', line, 'bytes', line * 17) end
from (
    (select id, $1::int / 2 as lines from jobs where state = 'running' order by created_at desc limit 1)
    union all
    (select id, 50 from jobs where outcome = 1 order by created_at desc limit $1::int / 100)
) j cross join lateral generate_series(1, j.lines) line
on conflict do nothing
"""

WORKERS = """
insert into workers (id, host, pid, process, queues, async_slots, threads, version, started_at, heartbeat_at)
select pg_temp.worker(n), 'worker-' || n, 4000 + n, 'worker-' || n, array['default', 'email', 'webhooks', 'imports'],
       100, 8, '1', now() - interval '2 days', now() + interval '1 day'
from generate_series(1, 11) n
"""

# As workers register them.
FUNCTIONS_KNOWN = f"""
insert into task_functions (name, module, queue, priority, description, signature, defaults)
select name, 'actors.' || name, 'default', 0, 'Does what its name says.', '{{"type": "object"}}', '{{}}'
from unnest({ACTORS}) name
"""

# $1 schedules.
SCHEDULES = f"""
insert into scheduled_jobs (id, name, description, task_function, job_type, schedule_config, task_args, time_zone,
                            overlap, enabled, owner, managed_by, created_by, updated_by, anchor_at, runs, last_run_at,
                            next_run_at, problem)
select pg_temp.id(now() - interval '60 days', n), (array['Nightly', 'Hourly', 'Weekly', 'Partner'])[1 + n % 4] || ' '
       || ({ACTORS})[1 + n % 24] || ' ' || n, 'For customer-' || n, ({ACTORS})[1 + n % 24],
       case when n % 10 < 5 then 'cron' when n % 10 < 8 then 'interval' when n % 10 = 8 then 'date' else 'any' end,
       case when n % 10 < 3 then json_build_object('expression', n % 60 || ' ' || n % 24 || ' * * mon-fri')
            when n % 10 = 3 then json_build_object('expression', '*/' || 5 + n % 5 || ' 8-18 * * *')
            when n % 10 = 4 then json_build_object('expression', n % 60 || ' * * * *')
            when n % 10 < 8 then json_build_object((array['minutes', 'seconds', 'hours'])[1 + n % 3], 10 + n % 50)
            when n % 10 = 8 then json_build_object('run_at', now() + n * interval '1 h')
            else json_build_object('any', json_build_array(
                json_build_object('type', 'cron', 'expression', '0 9 * * mon-fri'),
                json_build_object('type', 'cron', 'expression', n % 60 || ' 11 * * sat'))) end,
       json_build_object('customer', 'customer-' || n),
       (array['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'Australia/Sydney'])[1 + n % 5],
       (array['skip', 'allow', 'queue_one', 'cancel_previous'])[1 + n % 4], n % 10 <> 7, 'team-' || n % 40,
       case when n % 50 = 0 then 'code' else 'person' end, 'ada', 'ada', now() - interval '60 days', n % 1000,
       now() - n % 1440 * interval '1 min',
       case when n % 10 <> 7 then now() + (n % 1440) * interval '1 min' - case when n % 700 = 0 then interval '2 days'
                                                                          else interval '0' end end,
       case when n % 1000 = 1 then 'This scheduler knows no actor.' end
from generate_series(1, $1::int) n
"""

VERSIONS = """
insert into scheduled_job_versions (schedule_id, version, name, change, document, changed_by)
select id, v, name, case v when 1 then 'create' else 'edit' end,
       json_build_object('name', name, 'description', description, 'task_function', task_function,
                         'job_type', job_type, 'schedule_config', schedule_config, 'task_args', task_args,
                         'priority', v),
       'ada'
from scheduled_jobs s cross join generate_series(1, 3) v
"""

# $1 runs of all schedules together, and half as many of the first one alone; $2 jobs.
EXECUTIONS = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by, reason,
                                      recorded_at, started_at, ended_at, result, error)
select pg_temp.id(at, m), schedule, 'schedule ' || s, at, status,
       case when status <> 'skipped' then pg_temp.id(pg_temp.moment(job, $2), job) end, 'schedule',
       case when status = 'skipped' then 'overlap: the last run still goes' end, at, at, at + interval '2 s',
       case status when 'succeeded' then '{"rows": 3}'::json end,
       case status when 'failed' then '{"type": "ValueError", "message": "no"}'::json end
from (
    select *, pg_temp.id(now() - interval '60 days', s) as schedule, 1 + (m * 7) % ($2 - $2 / 50) as job,
           case when m % 25 = 0 then 'failed' when m % 40 = 0 then 'skipped' else 'succeeded' end as status
    from (
        select n as m, 1 + n % 5000 as s, now() - (n / 5000) * interval '12 h' - n % 5000 * interval '1 s' as at
        from generate_series(1, $1::bigint) n
        union all
        select $1::bigint + n, 1, now() - interval '10 ms' - n * interval '30 s'
        from generate_series(1, $1::bigint / 2) n
    ) numbers
) runs
"""

EMAILS = """
insert into emails (id, job_id, status, policy, tags, addresses, content, subject, template, attempts, run, provider,
                    provider_id, accepted, created_at, sent_at)
select pg_temp.id(at, n), pg_temp.id(at, n), case when n % 20000 = 3 then 'complained' when n % 50 = 0 then 'bounced'
       when n % 40 = 0 then 'failed' when n % 3 = 0 then 'opened' else 'delivered' end, 'at_most_once',
       case when n % 30011 = 5 then array['rare'] when n % 4 = 0 then array['invoice', 'customer:' || n % 5000] end,
       array['user' || n % 20000 || '@example.com'],
       json_build_object('to', 'user' || n % 20000 || '@example.com', 'text', repeat('Dear customer, ', 30)),
       'Your invoice ' || n, case when n % 2 = 0 then 'invoice' end, 1, 1, 'smtp', 'provider-' || n,
       array['user' || n % 20000 || '@example.com'], at, at
from (select n, pg_temp.moment(n, $1) as at from generate_series(1, $1::bigint) n) numbers
"""
EMAIL_EVENTS = """
insert into email_events (provider, event_id, recipient, email_id, type, occurred_at, recorded_at)
select 'smtp', id::text || kind, addresses[1], id, kind, created_at, created_at
from emails cross join unnest(array['delivered', 'opened']) kind
"""
SUPPRESSIONS = """
insert into suppressions (address, reason, created_at)
select 'gone' || n || '@example.com', (array['hard_bounce', 'complaint', 'manual'])[1 + n % 3],
       now() - n * interval '1 min'
from generate_series(1, $1::int) n
"""

ENDPOINTS = """
insert into webhook_endpoints (id, url, description, event_types, secrets, timeout, ordered)
select pg_temp.id(now() - interval '40 days', n), 'https://hooks' || n || '.example.com/in', 'customer-' || n,
       array['order.paid'], '[]', 15, false
from generate_series(1, $1::int) n
"""
MESSAGES = """
insert into webhook_messages (id, event_type, body, created_at)
select pg_temp.id(at, n),
       case when n % 30011 = 5 then 'order.lost' when n % 2 = 0 then 'order.paid' else 'order.shipped' end,
       convert_to(json_build_object('type', 'order.paid', 'timestamp', at, 'data',
                                    json_build_object('order', n, 'note', md5(n::text)))::text, 'UTF8'), at
from (select n, pg_temp.moment(n, $1) as at from generate_series(1, $1::bigint) n) numbers
"""
DELIVERIES = """
insert into webhook_deliveries (id, message_id, endpoint_id, job_id, run, attempts, outcome, created_at, ended_at)
select pg_temp.id(at, n), pg_temp.id(at, n), pg_temp.id(now() - interval '40 days', 1 + n % 200), pg_temp.id(at, n),
       1, 1,
       case when n % 20000 = 3 then 'gone' when n % 30 = 0 then 'exhausted' when n > $1::bigint - 200 then null
            else 'succeeded' end,
       at, case when n % 20000 = 3 or n % 30 = 0 or n <= $1::bigint - 200 then at end
from (select n, pg_temp.moment(n, $1) as at from generate_series(1, $1::bigint) n) numbers
"""
WEBHOOK_ATTEMPTS = """
insert into webhook_attempts (delivery_id, number, started_at, url, status, response_body, timings)
select id, 1, created_at, 'https://hooks.example.com/in', case outcome when 'succeeded' then 200 else 503 end,
       'thank you', '{"total": 35.5}'
from webhook_deliveries
"""

# $1 workflows of five steps, one job each, and one with 2,000 steps.
WORKFLOWS = """
insert into workflows (id, name, owner, state, created_at, finished_at)
select pg_temp.id(at, n),
       case when n % 2500 = 9 then 'close_year' else (array['order', 'import', 'nightly'])[1 + n % 3] end,
       'team-' || n % 40,
       case when n % 20 = 0 then 'failed' when n > $1::bigint - 100 then 'running' else 'succeeded' end,
       at, case when n % 20 = 0 or n <= $1::bigint - 100 then at + interval '1 min' end
from (select n, pg_temp.moment(n, $1) as at from generate_series(1, $1::bigint) n) numbers
"""
STEPS = """
insert into workflow_steps (id, workflow_id, number, name, kind, state, join_policy, on_failure, calls, args, kwargs,
                            takes_result, spreads, predecessors, pending, run, total, released, ended, failed,
                            started_at, finished_at)
select gen_random_uuid(), w.id, step, 'step ' || step, 'job', case when step = steps and w.state <> 'succeeded'
       then case w.state when 'running' then 'running' else 'failed' end else 'succeeded' end, 'all_succeeded', 'fail',
       '[{"actor": "build_report"}]', '[]', '{}', false, false, case step when 0 then 0 else 1 end, 0,
       gen_random_uuid(), 1, 1, case when step = steps and w.state = 'running' then 0 else 1 end,
       case when step = steps and w.state = 'failed' then 1 else 0 end,
       w.created_at + step * interval '1 s', w.created_at + step * interval '1 s' + interval '900 ms'
from (
    select *, case when row_number() over (order by created_at desc) = 1 then 1999 else 4 end as steps from workflows
) w
cross join lateral generate_series(0, w.steps) step
"""
EDGES = """
insert into workflow_edges (from_id, to_id, position)
select a.id, b.id, 0 from workflow_steps a join workflow_steps b
    on b.workflow_id = a.workflow_id and b.number = case when a.number < 5 then a.number + 1 else a.number + 40 end
"""
STEP_JOBS = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, created_at, started_at, finished_at, worker,
                  run_at, workflow_id, step_run, item, is_reported)
select pg_temp.id(started_at, row_number() over ()), 'build_report', 'reports', '[]', '{}', 'succeeded', 1, 1,
       started_at, started_at, finished_at, pg_temp.worker(1), started_at, workflow_id, run, 0, true
from workflow_steps
"""

AUDIT = """
insert into audit (done_at, who, action, job_id, target, reason)
select at, case when n % 30011 = 5 then 'grace' else 'user-' || n % 50 end,
       (array['job.cancel', 'job.retry', 'schedule.edit', 'queue.pause'])[1 + n % 4],
       case when n % 4 < 2 then pg_temp.id(at, n) end, case when n % 4 >= 2 then 'target ' || n % 300 end, 'as agreed'
from (select n, pg_temp.moment(n, $1) as at from generate_series(1, $1::bigint) n) numbers
"""
PEOPLE = """
insert into users (id, name, role, last_login_at)
select gen_random_uuid(), 'user-' || n, (array['viewer', 'operator', 'admin'])[1 + n % 3], now()
from generate_series(1, $1::int) n
"""
SESSIONS = """
insert into user_sessions (token_hash, user_id, address, browser, expires_at)
select sha256(id::text::bytea), id, '192.0.2.1', 'Firefox', now() + interval '1 day' from users
"""
KEYS = """
insert into api_keys (id, name, prefix, key_hash, scopes, created_by)
select gen_random_uuid(), 'key ' || n, 'pages' || n, sha256(n::text::bytea), array['read', 'enqueue'], 'user-1'
from generate_series(1, $1::int) n
"""
LIMITS = """
insert into limits (key, concurrency, rate, per) select 'customer-' || n, 5, 100, 60 from generate_series(1, 500) n
"""
PAUSES = "insert into pauses (kind, name, reason, paused_by) values ('queue', 'archive', 'moving it', 'ada')"
HEALTH = """
insert into health_checks (status, reasons, measures, checked_at)
select case when n % 500 = 0 then 'warning' else 'healthy' end, '[]', '{}', now() - n * interval '1 min'
from generate_series(43200, 1, -1) n
"""
METADATA = """
insert into job_metadata (job_id, data)
select id, '{"ticket": "T-1"}' from (select id from jobs order by created_at desc limit 20000) j
"""


async def fill(place: Place, jobs: int, live: int, say: Callable[[str], None]) -> None:
    """So many jobs, so many of which have not ended; 5,000 schedules, 200,000 log lines, and mails, webhooks, workflows
    to go with them."""
    async with place.database() as connection:
        async with connection.transaction():  # all of it or nothing
            await _insert(connection, jobs, live, say)
            await _count(connection)
        await connection.execute("vacuum analyze", timeout=3_600)
        await connection.execute("checkpoint", timeout=3_600)


async def _insert(connection: asyncpg.Connection, jobs: int, live: int, say: Callable[[str], None]) -> None:
    parts = jobs // 10
    await connection.execute("select setseed(0.5)")  # the same each time
    await connection.execute(FUNCTIONS)
    for what, statement, *values in (
        ("jobs", JOBS, jobs, live),
        ("attempts", ATTEMPTS),
        ("log lines", LOGS, 200_000),
        ("workers", WORKERS),
        ("actors", FUNCTIONS_KNOWN),
        ("schedules", SCHEDULES, 5_000),
        ("versions", VERSIONS),
        ("executions", EXECUTIONS, 2 * parts, jobs),
        ("mails", EMAILS, parts),
        ("events", EMAIL_EVENTS),
        ("suppressions", SUPPRESSIONS, 10_000),
        ("endpoints", ENDPOINTS, 200),
        ("messages", MESSAGES, parts),
        ("deliveries", DELIVERIES, parts),
        ("webhook attempts", WEBHOOK_ATTEMPTS),
        ("workflows", WORKFLOWS, max(100, parts // 20)),
        ("steps", STEPS),
        ("edges", EDGES),
        ("jobs of steps", STEP_JOBS),
        ("audit", AUDIT, parts),
        ("users", PEOPLE, 50),
        ("sessions", SESSIONS),
        ("keys", KEYS, 200),
        ("limits", LIMITS),
        ("pauses", PAUSES),
        ("health checks", HEALTH),
        ("metadata", METADATA),
    ):
        started = time.monotonic()
        done = await connection.execute(statement, *values, timeout=3_600)
        await connection.execute(f"analyze {statement.split()[2]}", timeout=3_600)
        say(f"{int(done.split()[-1]):>10,} {what} ({time.monotonic() - started:.1f} s)")


async def _count(connection: asyncpg.Connection) -> None:
    """As the leading scheduler does, all at once; minutes only of the last two days."""
    since, until = await connection.fetchrow("select now() - interval '31 days', now()")
    await connection.execute(statistics.COUNT_JOBS, since, until, timeout=3_600)
    seen = await connection.fetch(statistics.COUNT_ERRORS, since, until, timeout=3_600)
    columns = [list(column) for column in zip(*seen, strict=True)]
    await connection.execute(statistics.ADD_ERRORS, *columns, timeout=3_600)
    await connection.execute(statistics.DELETE_OLD, statistics.MINUTE, 2 * 86_400.0, 10_000_000, timeout=3_600)
