"""The statements and lists of e-mails and webhooks stay fast with the tables' size: each finds its rows by an index."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from db import emails, suppressions, webhooks
from runtime.client import Client
from services import email, webhook
from services.webhook_search import Answer
from tests.db.test_plans import nodes

LARGE = {"emails", "email_events", "webhook_messages", "webhook_deliveries", "webhook_attempts", "jobs", "suppressions"}
SOME_ID, ENDPOINT = uuid.UUID(int=1), uuid.UUID(int=7)
NOW = datetime.now(UTC)
FIFTY = [SOME_ID] * 50
FAILED = ["exhausted", "gone", "aborted", "skipped", "cancelled"]
RECORD: list[Any] = [
    FIFTY, [1] * 50, ["succeeded"] * 50, [0] * 50, [None] * 50, [NOW] * 50, ["http://x/"] * 50, ["{}"] * 50,
    [200] * 50, [None] * 50, [None] * 50, ["[]"] * 50, [""] * 50, [False] * 50, ["127.0.0.1"] * 50, ["{}"] * 50,
    [None] * 50,
]  # fmt: skip
OUTCOME = f'[{{"id": "{SOME_ID}", "job_id": "{SOME_ID}", "run": 1, "status": "sent", "accepted": []}}]'
EVENT = f'[{{"provider": "ses", "event_id": "e", "recipient": "a@b.c", "email_id": "{SOME_ID}", "type": "delivered"}}]'

STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "emails.BY_IDEMPOTENCY_KEY": (emails.BY_IDEMPOTENCY_KEY, [["key-1"]]),
    "emails.CLAIM": (emails.CLAIM, [[SOME_ID], [SOME_ID], [1], [False]]),
    "emails.CLAIM_FREE": (emails.CLAIM_FREE, [FIFTY, FIFTY, [1] * 50, [False] * 50]),
    "emails.DOUBT": (emails.DOUBT, [SOME_ID, SOME_ID, 1]),
    "emails.STATE": (emails.STATE, [SOME_ID]),
    "emails.SETTLE": (emails.SETTLE, [OUTCOME]),
    "emails.SETTLE_FREE": (emails.SETTLE_FREE, [OUTCOME]),
    "emails.SETTLE_ENDED": (emails.SETTLE_ENDED, [600.0]),
    "emails.SETTLE_LEFT": (emails.SETTLE_LEFT, [SOME_ID, 2_000]),
    "emails.RESEND": (emails.RESEND, [[SOME_ID], [SOME_ID]]),
    "emails.TO_RESEND": (emails.TO_RESEND, [None, None, None, None, "failed", NOW, SOME_ID, SOME_ID, 20]),
    "emails.COUNT_TO_RESEND": (emails.COUNT_TO_RESEND, ["a@b.c", "tag", None, "550", "failed", NOW, 20_000]),
    "emails.RECORD_EVENTS": (emails.RECORD_EVENTS, [EVENT]),
    "emails.FORGET_CONTENT": (emails.FORGET_CONTENT, [30 * 86_400.0, 1_000]),
    "emails.DELETE_OLD": (emails.DELETE_OLD, [400 * 86_400.0, 1_000]),
    "emails.DELETE_OLD_FAILED": (emails.DELETE_OLD_FAILED, [800 * 86_400.0, 1_000]),
    "emails.HELD": (emails.HELD, ["email-held", 1_000, 3600.0]),
    "emails.DELETE_STRAY_EVENTS": (emails.DELETE_STRAY_EVENTS, [400 * 86_400.0, 1_000]),
    "suppressions.REMOVE": (suppressions.REMOVE, ["ada@example.com", None]),
    "suppressions.RESUBSCRIBE": (suppressions.RESUBSCRIBE, [["ada@example.com"], ["ses"], [NOW]]),
    "webhooks.MESSAGE_BY_KEY": (webhooks.MESSAGE_BY_KEY, ["key-1"]),
    "webhooks.HOLD": (webhooks.HOLD, [[ENDPOINT]]),
    "webhooks.IDLE": (webhooks.IDLE, [[ENDPOINT]]),
    "webhooks.CLAIM": (webhooks.CLAIM, [[SOME_ID], [SOME_ID], [1]]),
    "webhooks.CLAIM_FREE": (webhooks.CLAIM_FREE, [FIFTY, FIFTY, [1] * 50]),
    "webhooks.OUTCOME": (webhooks.OUTCOME, [SOME_ID]),
    "webhooks.TAKE_SLOT": (webhooks.TAKE_SLOT, [SOME_ID, ENDPOINT]),
    "webhooks.RECORD": (webhooks.RECORD, [column[:1] for column in RECORD]),
    "webhooks.RECORD_FREE": (webhooks.RECORD_FREE, RECORD),
    "webhooks.END": (webhooks.END, [SOME_ID, 1, "skipped"]),
    "webhooks.NEXT_IN_ORDER": (webhooks.NEXT_IN_ORDER, [ENDPOINT]),
    "webhooks.WAITING_IN_ORDER": (webhooks.WAITING_IN_ORDER, [ENDPOINT]),
    "webhooks.COUNT_OPEN": (webhooks.COUNT_OPEN, [ENDPOINT, 10_000]),
    "webhooks.DELETE_DELIVERIES": (webhooks.DELETE_DELIVERIES, [ENDPOINT, 1_000]),
    "webhooks.FORGET_ENDPOINT": (webhooks.FORGET_ENDPOINT, [ENDPOINT]),
    "webhooks.WARN": (webhooks.WARN, [ENDPOINT, 1.0, 2.0]),
    "webhooks.SET_JOBS": (webhooks.SET_JOBS, [FIFTY, FIFTY]),
    "webhooks.DISABLE": (webhooks.DISABLE, [ENDPOINT, "why", None]),
    "webhooks.TO_REPLAY": (webhooks.TO_REPLAY, [SOME_ID, None, FAILED, None, None, None, SOME_ID, 100]),
    "webhooks.ONE_TO_REPLAY": (webhooks.ONE_TO_REPLAY, [SOME_ID]),
    "webhooks.TOLD": (webhooks.TOLD, [FIFTY]),
    "webhooks.HEALTH": (webhooks.HEALTH, [[ENDPOINT], 1_000]),
    "webhooks.SETTLE_ENDED": (webhooks.SETTLE_ENDED, []),
    "webhooks.STANDING_STILL": (webhooks.STANDING_STILL, []),
    "webhooks.DELETE_OLD": (webhooks.DELETE_OLD, [400 * 86_400.0, 800 * 86_400.0, 1_000]),
}

# Those by tag, template or event type look through the newest 20,000, however many there are.
List = Callable[[AsyncSession], Awaitable[Any]]
LISTS: dict[str, List] = {
    "mails": lambda session: email.recent(session),
    "the next page of mails": lambda session: email.recent(session, before=(NOW, SOME_ID)),
    "mails by status": lambda session: email.recent(session, status="unknown"),
    "mails by address": lambda session: email.recent(session, address="reader-7@example.com"),
    "mails since": lambda session: email.recent(session, since=NOW - timedelta(hours=1)),
    "events of a mail": lambda session: email.events(session, SOME_ID),
    "deliveries": lambda session: webhook.deliveries(session),
    "the next page of deliveries": lambda session: webhook.deliveries(session, before=SOME_ID),
    "deliveries of a message": lambda session: webhook.deliveries(session, message_id=SOME_ID),
    "deliveries of an endpoint": lambda session: webhook.deliveries(session, webhook.Filter(endpoint_id=ENDPOINT)),
    "failed deliveries": lambda session: webhook.deliveries(session, webhook.Filter(outcomes=FAILED)),
    "deliveries by answer": lambda session: webhook.deliveries(session, answer=Answer.read("5xx")),
    "pending deliveries": lambda session: webhook.deliveries(session, pending=True),
    "attempts of a delivery": lambda session: webhook.attempts(session, SOME_ID),
    "messages": lambda session: webhook.messages(session),
}


@pytest_asyncio.fixture
async def large(client: Client) -> AsyncIterator[asyncpg.Connection]:
    """30,000 mails and as many webhooks to 20 endpoints, nearly all of them over, with their jobs, events, attempts."""
    async with client.database.connection() as connection:
        await connection.execute(
            """
            create temporary table n as
            select n, gen_random_uuid() as id, now() - n * interval '1 min' as at, n % 50 = 0 as is_live
            from generate_series(1, 30000) n;
            insert into jobs (id, actor, queue, args, kwargs, state, outcome, finished_at, created_at, run_at)
            select id, 'deliver_webhook', 'webhooks', '[]', '{}', case when is_live then 'queued' else 'succeeded' end,
                   case when not is_live then 1 end, case when not is_live then at end, at, at from n;
            insert into emails (id, job_id, idempotency_key, policy, tags, addresses, content, subject, status,
                                provider_id, created_at, updated_at)
            select id, id, 'key-' || n, 'at_most_once', array['t' || n % 9],
                   array['reader-' || n || '@example.com'], '{"text": "Hello"}', 'Hello',
                   case when is_live then 'queued' else 'sent' end, 'p-' || n, at, at from n;
            insert into email_events (provider, event_id, recipient, email_id, type, occurred_at)
            select 'ses', 'e-' || n, 'reader-' || n || '@example.com', id, 'delivered', at from n;
            insert into suppressions (address, reason) select 'gone-' || n || '@example.com', 'hard_bounce' from n;
            insert into webhook_endpoints (id, url, description, secrets, timeout, ordered)
            select ('00000000-0000-0000-0000-' || lpad(to_hex(e), 12, '0'))::uuid, 'https://example.com/' || e, '',
                   '[]', 15, e % 2 = 0 from generate_series(1, 20) e;
            insert into webhook_messages (id, event_type, body, idempotency_key, created_at)
            select id, 'order.paid', '{}', 'key-' || n, at from n;
            insert into webhook_deliveries (id, message_id, endpoint_id, job_id, run, attempts, outcome, ended_at,
                                            created_at)
            select id, id, ('00000000-0000-0000-0000-' || lpad(to_hex(n % 20 + 1), 12, '0'))::uuid, id, 1, 1,
                   case when is_live then null when n % 40 = 1 then 'exhausted' else 'succeeded' end,
                   case when not is_live then at end, at from n;
            insert into webhook_attempts (delivery_id, number, started_at, url, status)
            select id, 1, at, 'https://example.com/', 200 from n where not is_live;
            drop table n;
            analyze jobs; analyze emails; analyze email_events; analyze suppressions; analyze webhook_endpoints;
            analyze webhook_messages; analyze webhook_deliveries; analyze webhook_attempts
            """
        )
        yield connection


async def test_no_statement_reads_a_whole_table(large: asyncpg.Connection) -> None:
    """Given large tables, then the plan of each statement, asked for with values as asyncpg prepares it, has no
    sequential scan of one that grows."""
    slow = {}
    for name, (statement, values) in STATEMENTS.items():
        async with large.transaction():
            rows = await large.fetch(f"explain (format json) {statement}", *values)
        scans = [node for node in nodes(rows[0][0][0]["Plan"]) if node["Node Type"] == "Seq Scan"]
        if read := LARGE & {scan["Relation Name"] for scan in scans}:
            slow[name] = (read, rows[0][0])
    assert slow == {}


async def test_no_list_reads_a_whole_table(client: Client, large: asyncpg.Connection) -> None:
    """Given large tables, when each list is asked for, then PostgreSQL counts no sequential scan of one that grows."""
    slow = []
    for name, listed in LISTS.items():
        before = await scans(large)
        async with client.session() as session:
            await listed(session)
            await session.commit()
            await (await session.connection()).exec_driver_sql("select pg_stat_force_next_flush()")
            await session.commit()
        if await scans(large) != before:
            slow.append(name)
    assert slow == []


async def scans(connection: asyncpg.Connection) -> dict[str, int]:
    """Sequential scans so far, by table."""
    await connection.execute("select pg_stat_clear_snapshot()")
    rows = await connection.fetch(
        "select relname, seq_scan from pg_stat_user_tables where relname = any($1::text[])", list(LARGE)
    )
    return {row["relname"]: row["seq_scan"] for row in rows}
