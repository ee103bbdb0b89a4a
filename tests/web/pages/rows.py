"""Rows to look at: workers, and jobs in their queues."""

import uuid

from runtime.client import Client

BUSY, SILENT = uuid.UUID(int=0xB0), uuid.UUID(int=0x51)

WORKER = """
insert into workers (id, host, pid, process, queues, async_slots, threads, version, heartbeat_at, memory, cpu, python,
                     dramatiq)
values ($1, $2, 4711, $2 || ':4711', array['email', 'web-tests'], 20, 4, '1.0', now() - make_interval(secs => $3),
        $4, $5, '3.11.2', '2.2.1')
"""

LIVE = """
insert into jobs (id, actor, queue, args, kwargs, run_at, state, attempt, started_at, worker)
select gen_random_uuid(), $2, $3, '[]', '{}', now() - make_interval(secs => $5 * n), $4,
       case when $4 = 'running' then 1 else 0 end, case when $4 = 'running' then now() end,
       case when $4 = 'running' then $6::uuid end
from generate_series(1, $1::int) n
"""

COUNTED = """
insert into job_statistics (span, starts_at, actor, queue, outcome, jobs, retries, waited, ran, waits, runs)
select span, date_bin(make_interval(secs => span), now(), timestamptz '2000-01-01 00:00:00+00'),
       $1, $2, $3, $4, 0, $4, $4, seconds, seconds
from (values (60), (3600), (86400)) s(span),
     lateral (select array_agg(case when n = 14 then $4::bigint else 0 end) as seconds from generate_series(0, 31) n) h
"""

ENDED = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, started_at, finished_at, worker, error)
select gen_random_uuid(), $2, $3, '[]', '{}', $4, case when $4 = 'failed' then 2 else 1 end, 1,
       now() - interval '3 s', now() - interval '1 s', $5::uuid,
       case when $4 = 'failed' then '{"type": "ValueError", "message": "no"}'::json end
from generate_series(1, $1::int) n
"""

ATTEMPTS = """
insert into job_attempts (job_id, attempt, worker, started_at, ended_at, error_type, error_message, traceback)
select id, attempt, worker, started_at, finished_at, 'ValueError', $1, 'Traceback' from jobs where outcome = 2
"""

FINGERPRINT = "0123456789abcdef0123456789abcdef"

ERROR_GROUP = """
with seen as (
    insert into error_groups (fingerprint, error_type, pattern, sample_job, sample_attempt, first_seen_at, last_seen_at,
                              occurrences, issue_url, issue_at, issue_by)
    values ($1, 'ValueError', 'no', gen_random_uuid(), 1, now(), now(), 1, $2::text,
            case when $2 is not null then now() end, case when $2 is not null then 'ana' end)
    returning fingerprint
)
insert into error_statistics (fingerprint, actor, starts_at, occurrences)
select fingerprint, 'send_email', date_trunc('hour', now()), 1 from seen
"""


async def workers(client: Client) -> None:
    """One that has just been heard, and one that has not for 12 seconds."""
    async with client.database.connection() as connection:
        await connection.execute(WORKER, BUSY, "busy", 0.0, 150 * 2**20, 37.5)
        await connection.execute(WORKER, SILENT, "silent", 12.0, None, None)


async def live(
    client: Client, count: int, state: str = "queued", *, actor: str = "send_email", queue: str = "email",
    due: float = 10.0, worker: uuid.UUID = BUSY,
) -> None:  # fmt: skip
    """Jobs that have been due for `due` seconds, twice that, and so on; due later if it is negative."""
    async with client.database.connection() as connection:
        await connection.execute(LIVE, count, actor, queue, state, due, worker)


async def ended(
    client: Client, count: int, state: str = "succeeded", *, actor: str = "send_email", queue: str = "email"
) -> None:
    async with client.database.connection() as connection:
        await connection.execute(ENDED, count, actor, queue, state, BUSY)


async def counted(client: Client, actor: str, queue: str, outcome: int, jobs: int) -> None:
    """What the leading scheduler would have counted in this minute and hour: each job waited and ran a second."""
    async with client.database.connection() as connection:
        await connection.execute(COUNTED, actor, queue, outcome, jobs)


async def error_group(client: Client, issue: str | None = None, fingerprint: str = FINGERPRINT) -> None:
    """An error that was seen once in this hour, linked to that issue."""
    async with client.database.connection() as connection:
        await connection.execute(ERROR_GROUP, fingerprint, issue)


async def failures(client: Client, number: int, message: str) -> str:
    """Jobs that failed so. Returns the fingerprint of their group."""
    await ended(client, number, "failed")
    await attempts(client, message)
    async with client.database.connection() as connection:
        fingerprint: str = await connection.fetchval("select distinct fingerprint from job_attempts")
    await error_group(client, fingerprint=fingerprint)
    return fingerprint


async def attempts(client: Client, message: str) -> None:
    """What the jobs that have failed failed with."""
    async with client.database.connection() as connection:
        await connection.execute(ATTEMPTS, message)
