"""What becomes of rows that nobody else looks after: jobs that ended without a word, and retention."""

import uuid

from sqlalchemy import select

from actors.email_upkeep import cleanup_emails
from db import emails
from db.models import EmailEvent
from runtime.client import Client
from services import email
from tests.conftest import StartProcess
from tests.runtime.observing import ended, enqueue

DAY = 86_400


async def sent(client: Client, **changes: object) -> uuid.UUID:
    """A mail whose row, and whose job, were changed so."""
    async with client.session() as session:
        enqueued = await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.commit()
    async with client.database.connection() as connection:
        for name, value in changes.items():
            await connection.execute(f"update emails set {name} = $2 where id = $1", enqueued.id, value)
    return enqueued.id


async def status(client: Client, mail: uuid.UUID) -> str:
    async with client.session() as session:
        return (await email.get(session, mail)).status


async def end_job(client: Client, mail: uuid.UUID, state: str, outcome: int) -> None:
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = $2, outcome = $3, finished_at = now(), attempt = 1, started_at = now(),"
            " worker = gen_random_uuid() where id = $1",
            mail, state, outcome,
        )  # fmt: skip


async def test_a_mail_whose_job_ended_without_a_word_says_so(client: Client) -> None:
    """Given jobs that were cancelled, failed before they claimed, and lost their worker on the way: cancelled, failed,
    unknown; and a mail that is under way stays as it is."""
    cancelled, failed, lost = await sent(client), await sent(client), await sent(client, status="sending", run=1)
    waiting = await sent(client)
    await end_job(client, cancelled, "cancelled", 3)
    await end_job(client, failed, "failed", 2)
    await end_job(client, lost, "failed", 2)
    async with client.database.connection() as connection:
        assert len(await connection.fetch(emails.SETTLE_ENDED, 3600.0)) == 3
    found = [await status(client, mail) for mail in (cancelled, failed, lost, waiting)]
    assert found == ["cancelled", "failed", "unknown", "queued"]


async def test_a_mail_is_settled_however_long_nobody_looked_after_it(client: Client, worker: StartProcess) -> None:
    """Given a job that was cancelled a day ago, when no worker ran, and jobs that were deleted meanwhile, when e-mails
    are cleaned up, then their mails say what became of them; one whose job still waits stays as it is."""
    cancelled, gone, lost = await sent(client), await sent(client), await sent(client, status="sending", run=1)
    waiting = await sent(client)
    await end_job(client, cancelled, "cancelled", 3)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set finished_at = now() - interval '1 day' where id = $1", cancelled)
        await connection.execute("delete from jobs where id = any($1::uuid[])", [gone, lost])
        await connection.execute("update jobs set run_at = now() + interval '1 day' where id = $1", waiting)
    await worker("actors", "--queues", "maintenance")
    cleaned = await ended(client, await enqueue(client, cleanup_emails))
    assert cleaned.result is not None
    assert cleaned.result["settled"] == 3
    found = [await status(client, mail) for mail in (cancelled, gone, lost, waiting)]
    assert found == ["cancelled", "failed", "unknown", "queued"]


async def test_events_of_no_mail_of_ours_are_kept_no_longer_than_mails(client: Client, worker: StartProcess) -> None:
    """Given events of somebody else's mail, an old and a new one, and an old one of a mail that nobody has settled,
    when e-mails are cleaned up, then the first is gone and the others are there."""
    unknown = await sent(client, status="unknown")
    async with client.database.connection() as connection:
        await connection.executemany(
            "insert into email_events (provider, event_id, recipient, email_id, type, occurred_at, recorded_at)"
            " values ('ses', $1, 'ada@example.com', $2, 'delivered', now(), now() - make_interval(days => $3))",
            [("old", None, 500), ("new", None, 1), ("ours", unknown, 500)],
        )
    await worker("actors", "--queues", "maintenance")
    cleaned = await ended(client, await enqueue(client, cleanup_emails))
    assert cleaned.result is not None
    assert cleaned.result["events"] == 1
    async with client.session() as session:
        assert set(await session.scalars(select(EmailEvent.event_id))) == {"new", "ours"}


async def test_mails_that_somebody_did_not_get_are_kept_longer(client: Client, worker: StartProcess) -> None:
    """Given mails of 500 and of 900 days ago, delivered, failed, refused and bounced, when e-mails are cleaned up, then
    of the first only the delivered one is gone, of the others all are."""
    statuses = ("delivered", "failed", "rejected", "bounced")
    mails = {(status, days): await sent(client, status=status) for status in statuses for days in (500, 900)}
    async with client.database.connection() as connection:
        for (_, days), mail in mails.items():
            await connection.execute(
                "update emails set created_at = now() - make_interval(days => $2) where id = $1", mail, days
            )
        await connection.execute("update jobs set run_at = now() + interval '1 day'")
    await worker("actors", "--queues", "maintenance")
    cleaned = await ended(client, await enqueue(client, cleanup_emails))
    assert cleaned.result is not None
    assert cleaned.result["deleted"] == 5
    async with client.database.connection() as connection:
        left = {row["id"] for row in await connection.fetch("select id from emails")}
    assert left == {mails[status, 500] for status in statuses[1:]}


async def test_words_are_forgotten_first_and_mails_later_but_never_what_is_not_settled(client: Client) -> None:
    """Given mails of 40 and 500 days ago, one of them unknown, when it is cleaned up, then the first has lost its
    words, the second is gone with its events, and the unknown one has everything."""
    month, old, unknown = (
        await sent(client, status="sent"), await sent(client, status="sent"), await sent(client, status="unknown"),
    )  # fmt: skip
    async with client.database.connection() as connection:
        for mail, days in ((month, 40), (old, 500), (unknown, 500)):
            await connection.execute(
                "update emails set created_at = now() - make_interval(days => $2) where id = $1", mail, days
            )
        await connection.execute(
            "insert into email_events (provider, event_id, recipient, email_id, type, occurred_at)"
            " values ('ses', 'e', 'ada@example.com', $1, 'delivered', now())",
            old,
        )
        assert await connection.execute(emails.FORGET_CONTENT, 30.0 * DAY, 100) == "UPDATE 2"
        assert await connection.execute(emails.DELETE_OLD, 400.0 * DAY, 100) == "DELETE 1"
    async with client.session() as session:
        left = [await email.get(session, mail) for mail in (month, unknown)]
        assert await session.get(EmailEvent, 1) is None
    assert [mail.content is None for mail in left] == [True, False]
