"""A mail whose answer was lost on the way back from a provider that tells later what became of it: SendGrid. Copies are
counted at a local server that plays it."""

import uuid
from datetime import UTC, datetime
from functools import partial

from db.models import Email
from providers.email.events import Event
from runtime.client import Client
from services import email_events, jobs
from tests.conftest import StartProcess
from tests.email.test_job import ended, enqueue, look_at_mail
from tests.http.hostile import DROP, Receiver, answer, receiver
from tests.support.waiting import wait_for

POLICIES = ("at_most_once", "at_least_once")
GRACE = 2.0  # seconds


async def start_worker(worker: StartProcess, here: Receiver, grace: float) -> None:
    await worker(
        "actors", EMAIL_PROVIDER="sendgrid", SENDGRID_API_KEY="SG.a-key", SENDGRID_URL=here.url("/scripted"),
        EMAIL_UNKNOWN_GRACE=str(grace),
    )  # fmt: skip


def copies(here: Receiver, mail: uuid.UUID) -> int:
    return sum(str(mail).encode() in request.body for request in here.received)


async def in_doubt(client: Client, mail: uuid.UUID) -> bool:
    """Nobody knows of it, and its job waits for what the provider tells."""
    async with client.session() as session:
        job = await jobs.get(session, mail)
    return (await look_at_mail(client, mail)).status == "unknown" and job.state == "queued" and job.releases == 1


async def is_delivered(client: Client, mail: uuid.UUID) -> Email | None:
    found = await look_at_mail(client, mail)
    return found if found.status == "delivered" else None


async def test_without_a_word_from_the_provider_the_policy_decides_once_the_grace_is_over(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a mail of each policy whose answer was lost, and a provider that tells nothing of them, then one to be sent
    at most once is left to a person with one copy, one to be sent at least once has two, neither before its time."""
    async with receiver() as here:
        here.answers = [DROP, DROP]
        mails = {policy: await enqueue(client, [f"{policy}@example.com"], policy=policy) for policy in POLICIES}
        await start_worker(worker, here, GRACE)
        await scheduler()
        done = {policy: await ended(client, mail) for policy, mail in mails.items()}

    rows = {policy: await look_at_mail(client, mail) for policy, mail in mails.items()}
    assert {policy: (copies(here, mail), rows[policy].status) for policy, mail in mails.items()} == {
        "at_most_once": (1, "unknown"), "at_least_once": (2, "sent")
    }  # fmt: skip
    assert done["at_most_once"].error is not None
    assert done["at_most_once"].error["type"] == "InDoubt"
    assert done["at_least_once"].state == "succeeded"
    for job in done.values():
        assert job.started_at is not None
        assert job.finished_at is not None
        assert (job.finished_at - job.created_at).total_seconds() >= GRACE


async def test_what_the_provider_tells_within_the_grace_settles_it(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given the same mails, and a provider that tells that it has delivered them, when the grace is over, then both
    have one copy, whatever their policy, and their jobs have succeeded."""
    async with receiver() as here:
        here.answers = [DROP, DROP, answer(202)]
        mails = [await enqueue(client, [f"{policy}@example.com"], policy=policy) for policy in POLICIES]
        await start_worker(worker, here, 3600)
        await scheduler()
        for mail in mails:
            await wait_for(partial(in_doubt, client, mail), what="a mail of which nobody knows")
        async with client.session() as session:
            told = [
                Event("sendgrid", "delivered", str(mail), "ada@example.com", datetime.now(UTC), email_id=str(mail))
                for mail in mails
            ]
            await email_events.record(session, told)
            await session.commit()
        for mail in mails:
            await wait_for(partial(is_delivered, client, mail), what="the event's effect")
        async with client.database.connection() as connection:  # as if the hour were over
            await connection.execute("update emails set claimed_at = claimed_at - interval '2 hours'")
            await connection.execute("update jobs set run_at = now() where outcome is null")
        done = [await ended(client, mail) for mail in mails]

    assert [copies(here, mail) for mail in mails] == [1, 1]
    assert [(await look_at_mail(client, mail)).status for mail in mails] == ["delivered", "delivered"]
    assert [(job.state, job.result and job.result["status"]) for job in done] == [("succeeded", "delivered")] * 2
