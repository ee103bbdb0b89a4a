"""A mail that somebody sends again: by a job of its own, whose runs are not those of the first."""

import uuid
from datetime import UTC, datetime

import orjson
import pytest

from actors.email_ledger import Ledger, Outcome, Wanted
from db import emails
from errors import BadArguments, Conflict
from providers.email.events import Event
from runtime.client import Client
from services import audit, email, email_resending
from tests.conftest import StartProcess
from tests.email.postman import postman
from tests.email.test_crashes import all_ended
from tests.email.test_job import ended, enqueue, look_at_mail, start_worker
from tests.support.waiting import wait_for

ADA = "ada@example.com"


async def resend(client: Client, mail: uuid.UUID) -> uuid.UUID:
    """Returns the new job."""
    async with client.session() as session:
        again = await email.resend(session, mail, "ada")
        await session.commit()
    return again.id


async def set_status(client: Client, mail: uuid.UUID, status: str) -> None:
    async with client.database.connection() as connection:
        await connection.execute("update emails set status = $2 where id = $1", mail, status)


async def test_a_run_of_the_first_job_writes_nothing_into_the_send_of_the_second(client: Client) -> None:
    """Given a run that froze with its mail in hand, and the first run of the job by which somebody sends the mail
    again, when the old one wakes, then it neither gets the mail nor says what became of it."""
    mail = await enqueue(client, [ADA])
    ledger = Ledger(client.database)
    assert await ledger.claim(Wanted(mail, mail, 1))
    await set_status(client, mail, "unknown")
    job = await resend(client, mail)
    assert await ledger.claim(Wanted(mail, mail, 1)) is None
    assert await ledger.claim(Wanted(mail, job, 1))

    assert await ledger.claim(Wanted(mail, mail, 1)) is None
    assert not await ledger.settle(Outcome(mail, mail, 1, "sent", [ADA]))
    found = await look_at_mail(client, mail)
    assert (found.status, found.accepted) == ("sending", [])
    assert await ledger.settle(Outcome(mail, job, 1, "sent", [ADA]))
    assert (await look_at_mail(client, mail)).status == "sent"


async def test_a_mail_that_its_provider_took_and_then_refused_can_be_sent_again(client: Client) -> None:
    """Given a mail to two that SES took, and refused for one of them later, when somebody sends it again, then it goes
    to that one; and once it has been sent to all, it cannot be sent once more."""
    mail = await enqueue(client, [ADA, "bob@example.com"])
    ledger = Ledger(client.database)
    assert await ledger.claim(Wanted(mail, mail, 1))
    assert await ledger.settle(Outcome(mail, mail, 1, "sent", [ADA, "bob@example.com"], provider="ses"))
    event = Event("ses", "rejected", "e", ADA, datetime.now(UTC), email_id=str(mail))
    async with client.database.connection() as connection:
        await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps([event.as_json()]).decode())
    assert (await look_at_mail(client, mail)).status == "rejected"

    job = await resend(client, mail)
    claimed = await ledger.claim(Wanted(mail, job, 1))
    assert claimed is not None
    assert claimed["accepted"] == ["bob@example.com"]
    await ledger.settle(Outcome(mail, job, 1, "rejected", ["bob@example.com", ADA]))
    with pytest.raises(Conflict):
        await resend(client, mail)


async def test_what_an_event_said_before_the_outcome_was_written_stays(client: Client) -> None:
    """Given a mail to two that SES took, whose answer was lost and whose event that it refused one of them came before
    that was written down, then what the event said stays, and no other run of its job sends a second copy."""
    mail = await enqueue(client, [ADA, "bob@example.com"])
    ledger = Ledger(client.database)
    assert await ledger.claim(Wanted(mail, mail, 1))
    event = Event("ses", "rejected", "e", ADA, datetime.now(UTC), email_id=str(mail), description="a virus")
    async with client.database.connection() as connection:
        await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps([event.as_json()]).decode())
    told = await look_at_mail(client, mail)
    assert await ledger.settle(Outcome(mail, mail, 1, "unknown", [], provider="ses", error="The answer was lost."))

    found = await look_at_mail(client, mail)
    assert (found.status, found.error, found.sent_at) == ("rejected", "a virus", told.sent_at)
    assert found.accepted == [ADA, "bob@example.com"]
    assert await ledger.claim(Wanted(mail, mail, 2)) is None


async def test_ses_takes_fifty_recipients(client: Client) -> None:
    """Given fifty-one recipients, then a mail that may leave by SES is refused where it is asked for."""
    readers = [f"reader-{number}@example.com" for number in range(51)]
    async with client.session() as session:
        with pytest.raises(BadArguments, match="takes 50") as caught:
            await email.send(session, to=readers, subject="x", text="y", provider="smtp, ses")
        assert caught.value.path == "to"
        await email.send(session, to=readers, subject="x", text="y", provider="smtp")
        await email.send(session, to=readers[1:], subject="x", text="y", provider="ses")


async def test_many_are_sent_again_by_a_job(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given mails that failed, of which one was made later, one has no words any more and one is being sent again, and
    one that was delivered, when those that failed are sent again, then the others of them leave, once each, and the
    question had said how many."""
    failed = [await enqueue(client, [ADA]) for _ in range(5)]
    delivered = await enqueue(client, [ADA])
    for mail in failed:
        await set_status(client, mail, "failed")
    await set_status(client, delivered, "delivered")
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs")  # those that had failed
        await connection.execute("update emails set content = null where id = $1", failed[3])
    await resend(client, failed[4])
    only = email_resending.Filter(status="failed", address="ADA@example.com")
    async with client.session() as session:
        counted = await email_resending.count(session, only)
        job = await email_resending.start(session, "ada", only, rate=2, reason="the provider was away")
        await session.commit()
        [note] = await audit.page(session, audit.Filter(action="email.resend_matching"), limit=5)
    late = await enqueue(client, [ADA])
    await set_status(client, late, "failed")
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs where id = $1", late)
    assert (counted.mails, counted.is_capped) == (3, False)
    assert (note.who, note.job_id, note.reason) == ("ada", job, "the provider was away")

    async with postman() as server:
        await start_worker(worker, server)
        await scheduler()
        await wait_for(lambda: all_ended(client), what="the end of all jobs")
    assert (await ended(client, job)).result == {"resent": 3}
    statuses = {mail: (await look_at_mail(client, mail)).status for mail in [*failed, delivered, late]}
    assert [statuses[mail] for mail in failed] == ["sent", "sent", "sent", "failed", "sent"]
    assert (statuses[delivered], statuses[late], len(server.received)) == ("delivered", "failed", 4)


async def test_those_are_sent_again_of_which_something_was_answered(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given mails that were rejected, one with a full mailbox, one with a reply of one of its recipients, one for
    another reason, when those are sent again of which 5.2.2 was answered, then these two are counted, and leave."""
    full, partly, other = [await enqueue(client, [ADA]) for _ in range(3)]
    said = {full: ("mail refused the e-mail: 552 5.2.2 Mailbox FULL", None), other: ("550 no such user", None),
            partly: (None, '{"bob@example.com": {"code": 452, "text": "5.2.2 full"}}')}  # fmt: skip
    async with client.database.connection() as connection:
        for mail, (error, refused) in said.items():
            await connection.execute(
                "update emails set status = 'rejected', error = $2, refused = $3 where id = $1", mail, error, refused
            )
        await connection.execute("delete from jobs")
    only = email_resending.Filter(status="rejected", answer="5.2.2")
    async with client.session() as session:
        assert {mail.id for mail in await email.recent(session, answer="5.2.2 FULL")} == {partly}
        assert {mail.id for mail in await email.recent(session, answer="Full")} == {full, partly}
        assert (await email_resending.count(session, only)).mails == 2
        await email_resending.start(session, "ada", only, rate=100)
        await session.commit()
    async with postman() as server:
        await start_worker(worker, server)
        await scheduler()
        await wait_for(lambda: all_ended(client), what="the end of all jobs")
    assert {(await look_at_mail(client, mail)).status for mail in (full, partly)} == {"sent"}
    assert (await look_at_mail(client, other)).status == "rejected"


async def test_what_is_not_sent_again_is_refused(client: Client) -> None:
    with pytest.raises(BadArguments) as refused:
        email_resending.Filter(status="delivered")
    assert refused.value.path == "status"
    async with client.session() as session:
        with pytest.raises(BadArguments) as refused:
            await email_resending.start(session, "ada", email_resending.Filter(status="failed"), rate=0)
    assert refused.value.path == "rate"
