"""Mails and webhooks to look at."""

import uuid
from dataclasses import dataclass

from runtime.client import Client
from services import email, suppressions, webhook
from services.webhook import EndpointFields

HTML = '<html><body style="margin:0"><h1 style="color:#123">Curtain</h1></body></html>'

ENDED = """
update webhook_deliveries set attempts = 2, failures = 2, outcome = 'exhausted', ended_at = now() where id = $1
"""
ATTEMPT = """
insert into webhook_attempts (delivery_id, number, started_at, url, request_headers, status, response_headers,
                              response_body, truncated, address, timings)
values ($1, $2, now() - interval '1 s', 'https://example.com/hooks',
        '{"content-type": "application/json", "webhook-signature": "v1,c2lnbmF0dXJl"}', 500,
        '[["content-type", "text/html"], ["set-cookie", "session=abc"]]', '<b>it broke</b>', true, '93.184.215.14',
        '{"resolved": 3.1, "connected": 12.5, "secured": 41, "sent": 41.2, "first_byte": 121, "total": 122}')
"""


@dataclass(frozen=True)
class Mail:
    """What `fill` makes."""

    unknown: uuid.UUID  # a mail of which nobody knows, with HTML
    queued: uuid.UUID
    endpoint: uuid.UUID
    delivery: uuid.UUID  # its second attempt has failed for good


async def fill(client: Client) -> Mail:
    async with client.session() as session:
        unknown = await email.send(
            session, to="ada@example.com", subject="The reset", html=HTML, text="Go on: token=hunter2hunter2",
            headers={"X-Order": "7"},
        )  # fmt: skip
        queued = await email.send(session, to=["bob@example.com", "eve@example.com"], subject="Two", text="Both.")
        await suppressions.add(session, "gone@example.com", "ana", note="asked by telephone")
        endpoint, _ = await webhook.create_endpoint(session, "ana", EndpointFields(url="https://example.com/hooks"))
        await webhook.send_test(session, endpoint.id)
        [delivery] = await webhook.deliveries(session)
        made = Mail(unknown.id, queued.id, endpoint.id, delivery.id)
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(
            "update emails set status = 'unknown', run = 1, attempts = 1, error = 'nobody knows' where id = $1",
            made.unknown,
        )
        await connection.execute(
            "insert into email_events (provider, event_id, recipient, email_id, type, occurred_at, description)"
            " values ('ses', 'e', 'ada@example.com', $1, 'deferred', now(), 'mailbox full')",
            made.unknown,
        )
        await connection.execute(ENDED, made.delivery)
        await connection.executemany(ATTEMPT, [(made.delivery, 1), (made.delivery, 2)])
    return made
