"""A day of a shop that does not exist, for pictures of the console."""

import uuid

from runtime.client import Client
from scheduling.leader import Leader
from scheduling.statistics import Statistics
from services import webhook

JOBS = 40_000
_ROUNDS = 2_000  # of counting: each takes some minutes of the day

ENDED = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, created_at, run_at, started_at, finished_at,
                  owner, tags, error, worker, max_attempts)
select gen_random_uuid(),
       (array['deliver_email', 'deliver_webhook', 'order_step', 'sync_domain_users', 'deliver_email'])[kind],
       (array['email', 'webhooks', 'workflows', 'maintenance', 'email'])[kind], '[]',
       json_build_object('order', 4000 + n, 'to', 'reader' || n || '@example.com'),
       case when n % 53 = 0 then 'failed' when n % 211 = 0 then 'cancelled' else 'succeeded' end,
       case when n % 53 = 0 then 2 when n % 211 = 0 then 3 else 1 end, 1 + (n % 9 = 0)::int, t, t,
       t + make_interval(secs => 0.05 + 0.2 * random()), t + make_interval(secs => 0.3 + kind * random() * random()),
       'shop', array['order'],
       case when n % 53 = 0 then json_build_object('type', (array['ConnectionError', 'ValueError', 'TimeLimitExceeded'])
            [1 + n % 3], 'message', 'order ' || 4000 + n || ' was refused') end, gen_random_uuid(), 4
from (select n, 1 + n * 7 % 5 as kind,
             now() - make_interval(secs => 86400.0 * (1.0 * n / $1 + 0.004 * (1 - cos(60.0 * n / $1)))) as t
      from generate_series(1, $1::int) n) day
"""
ATTEMPTS = """
insert into job_attempts (job_id, attempt, worker, started_at, ended_at, error_type, error_message, traceback)
select id, attempt, worker, started_at, finished_at, error->>'type', error->>'message',
       E'Traceback (most recent call last):\n  File "/srv/shop/actors/orders.py", line 31, in charge\n'
       || E'    await bank.charge(order)\n' || (error->>'type') || ': ' || (error->>'message')
from jobs where outcome = 2
"""
WAITING = """
insert into jobs (id, actor, queue, args, kwargs, run_at, created_at)
select gen_random_uuid(), (array['deliver_email', 'order_step'])[1 + n % 2], (array['email', 'workflows'])[1 + n % 2],
       '[]', json_build_object('order', 9000 + n), now() + make_interval(secs => n * 60 - 600),
       now() - make_interval(secs => n * 12)
from generate_series(1, 40) n
"""
WORKERS = """
insert into workers (id, host, pid, process, queues, async_slots, threads, version, memory, cpu, python, dramatiq)
select gen_random_uuid(), 'worker-' || n, 4700 + n, 'worker-' || n || ':' || 4700 + n,
       array['email', 'email-events', 'maintenance', 'webhooks', 'workflows'], 200, 8, 'v42',
       (120 + n * 14) * 2^20, 20 + n * 11, '3.13.9', '2.2.1'
from generate_series(1, 3) n
"""
RELEASES = """
insert into releases (version, first_seen_at)
values ('v41', now() - interval '5 days'), ('v42', now() - interval '24 min')
"""
RUNNING = """
insert into jobs (id, actor, queue, args, kwargs, created_at, run_at, state, attempt, started_at, worker, owner)
select gen_random_uuid(), actor, queue, '[]', json_build_object('order', 9100 + n), t, t, 'running', 1,
       t + interval '0.1 s', (array(select id from workers order by host))[1 + n % 3], 'shop'
from generate_series(1, 26) n,
     lateral (select (array['deliver_email', 'order_step', 'deliver_webhook'])[1 + n % 3] as actor,
                     (array['email', 'workflows', 'webhooks'])[1 + n % 3] as queue,
                     now() - make_interval(secs => n * 0.9) as t) made
"""
HEARTBEAT = "update workers set heartbeat_at = now()"
MAILS = """
insert into emails (id, job_id, status, policy, addresses, content, subject, template, attempts, provider, accepted,
                    error, created_at, claimed_at, sent_at)
select id, id, status, 'at_most_once', array[reader], json_build_object('to', reader, 'text', 'Thank you.'),
       'Your order ' || 4000 + n, 'receipt', 1, 'ses', case when status in ('delivered', 'opened') then array[reader]
       else '{}' end, case when status = 'bounced' then 'The mailbox does not exist.'
       when status = 'unknown' then 'The worker ended while the mail was on its way: it may have been delivered.' end,
       t, t, case when status <> 'unknown' then t + interval '0.4 s' end
from (select gen_random_uuid() as id, n, 'reader' || n || '@example.com' as reader, now() - make_interval(mins => n * 9)
             as t, case when n = 3 then 'unknown' when n % 11 = 0 then 'bounced' when n % 3 = 0 then 'opened'
             else 'delivered' end as status from generate_series(1, 40) n) m
"""
DELIVERIES = """
with m as (
    insert into webhook_messages (id, event_type, body, created_at)
    select gen_random_uuid(), 'webhook.test', '{"type": "webhook.test", "data": {"order": 4711}}',
           now() - make_interval(mins => n * 7) from generate_series(1, 40) n
    returning id, created_at
), d as (
    insert into webhook_deliveries (id, message_id, endpoint_id, attempts, failures, outcome, created_at, ended_at)
    select (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') || substr(md5(id::text), 13))::uuid,
           id, $1, case when bad then 8 else 1 end, case when bad then 8 else 0 end,
           case when bad then 'exhausted' else 'succeeded' end, created_at, created_at + interval '0.7 s'
    from (select *, row_number() over () % 9 = 0 as bad from m) told
    returning id, attempts, outcome, created_at
)
insert into webhook_attempts (delivery_id, number, started_at, url, status)
select id, attempts, created_at, 'https://example.com/hooks', case when outcome = 'succeeded' then 204 else 503 end
from d
"""
COUNT_FROM = """
insert into statistics_progress values ('ended', now() - interval '25 hours')
on conflict (name) do update set until = excluded.until
"""


async def fill(client: Client) -> uuid.UUID:
    """Returns the id of a job that has failed."""
    fields = webhook.EndpointFields(url="https://example.com/hooks", description="The warehouse")
    async with client.session() as session:
        endpoint, _ = await webhook.create_endpoint(session, "ada", fields)
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(ENDED, JOBS)
        for statement in (ATTEMPTS, WAITING, WORKERS, RELEASES, RUNNING, MAILS, COUNT_FROM):
            await connection.execute(statement)
        await connection.execute(DELIVERIES, endpoint.id)
        await connection.execute("analyze")
        failed: uuid.UUID = await connection.fetchval(
            "select id from jobs where outcome = 2 order by finished_at desc limit 1"
        )
    await _count(client)
    return failed


async def live(client: Client) -> None:
    """The workers are heard of again."""
    async with client.database.connection() as connection:
        await connection.execute(HEARTBEAT)


async def _count(client: Client) -> None:
    """What the leading scheduler would have counted meanwhile."""
    leader = Leader(client.database, 3600)  # no page is to say that none leads
    statistics = Statistics(client.database, leader)
    for _ in range(_ROUNDS):
        await leader.run_once()
        if await statistics.run_once() > 1:  # seconds to wait: it has caught up
            return
