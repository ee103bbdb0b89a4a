"""A mail that somebody sends again: by a job of its own, whose runs are not those of the first."""

import uuid

from actors.email_ledger import Ledger, Outcome, Wanted
from runtime.client import Client
from services import email
from tests.email.test_job import enqueue, look_at_mail

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
