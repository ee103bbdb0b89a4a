"""What providers' events make of the suppression list: each once, in the order in which it happened."""

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

from db import emails
from providers.email.events import Event, Suppress
from providers.email.unsubscribe import Leaving
from runtime.client import Client
from services import email_events
from services import suppressions as suppression_list
from tests.conftest import StartProcess
from tests.email.test_job import enqueue
from tests.support.waiting import wait_for

ADA = "ada@example.com"
BEGIN = datetime.now(UTC) - timedelta(hours=2)


def left(minute: int, provider: str = "sendgrid") -> Event:
    return said("unsubscribed", minute, provider)


def came_back(minute: int, provider: str = "sendgrid") -> Event:
    return said("subscribed", minute, provider)


def said(kind: str, minute: int, provider: str = "sendgrid") -> Event:
    suppresses: dict[str, Suppress] = {"unsubscribed": "unsubscribe", "bounced": "hard_bounce"}
    at = BEGIN + timedelta(minutes=minute)
    return Event(provider, kind, f"{kind}-{minute}", ADA, at, suppress=suppresses.get(kind))


async def tell(client: Client, *events: Event) -> None:
    """As one request of a provider, and wait until it is taken in."""
    async with client.session() as session:
        await email_events.record(session, events)
        await session.commit()
    await wait_for(partial(all_ended, client), what="the events to be taken in")


async def all_ended(client: Client) -> bool:
    async with client.database.connection() as connection:
        return not await connection.fetchval("select exists (select from jobs where outcome is null)")


async def on_the_list(client: Client) -> list[tuple[str, str, str]]:
    async with client.session() as session:
        return [(e.reason, e.mailing_list, e.added_by or "") for e in await suppression_list.listed(session)]


async def test_an_event_that_is_told_again_changes_nothing(client: Client, worker: StartProcess) -> None:
    """Given a bounce after which somebody took the address off the list, and a return after which it was left again,
    when the provider tells the bounce and the return once more, then the list stays as it is."""
    await worker("actors")
    await tell(client, said("bounced", 1), came_back(2))
    async with client.session() as session:
        await suppression_list.remove(session, ADA, "ada")
        await session.commit()
    await tell(client, left(3))
    await tell(client, said("bounced", 1), came_back(2))
    assert await on_the_list(client) == [("unsubscribe", "", "sendgrid")]


async def test_the_last_word_counts_however_events_come(client: Client, worker: StartProcess) -> None:
    """Given who leaves, returns and leaves, told in other orders and pieces, then it is what was said last that
    counts; and nobody is taken off the list for a return from before."""
    await worker("actors")
    await tell(client, came_back(2), left(1))
    assert await on_the_list(client) == []
    await tell(client, left(5), came_back(4))
    assert await on_the_list(client) == [("unsubscribe", "", "sendgrid")]
    await tell(client, came_back(3))
    assert await on_the_list(client) == [("unsubscribe", "", "sendgrid")]
    await tell(client, left(8))
    await tell(client, came_back(7))
    assert await on_the_list(client) == [("unsubscribe", "", "sendgrid")]
    await tell(client, came_back(9))
    assert await on_the_list(client) == []


async def test_a_return_takes_back_what_its_provider_told_and_no_more(client: Client, worker: StartProcess) -> None:
    """Given a list that its reader left by our own link, and what another provider told, when one provider tells that
    the reader is back, then both stay."""
    await worker("actors")
    async with client.session() as session:
        await suppression_list.leave(session, Leaving(email_id=uuid.uuid4(), address=ADA, mailing_list="news"))
        await session.commit()
    await tell(client, left(1, "ses"))
    await tell(client, came_back(2, "sendgrid"))
    assert set(await on_the_list(client)) == {("unsubscribe", "news", "reader"), ("unsubscribe", "", "ses")}


async def test_who_left_lists_at_a_provider_still_gets_receipts(client: Client) -> None:
    """Given an address that left all lists, then it is held back from a mail of a list, not from one of none."""
    receipt, news = await enqueue(client, [ADA]), await enqueue(client, [ADA])
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into suppressions (address, reason, added_by) values ($1, 'unsubscribe', 'sendgrid')", ADA
        )
        await connection.execute("update emails set mailing_list = 'news' where id = $1", news)
        claimed = await connection.fetch(emails.CLAIM, [receipt, news], [receipt, news], [1, 1], [False, False])
    assert {row["id"]: row["suppressed"] for row in claimed} == {receipt: [], news: [ADA]}
