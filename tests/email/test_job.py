"""E-mail end to end: a real worker, a real scheduler for the retries, a real SMTP server."""

import re
import uuid
from functools import partial
from pathlib import Path

from sqlalchemy import select

from db.jobs import QUEUE_AGAIN
from db.models import Audit, Email, Job
from runtime.client import Client
from services import email, jobs
from settings import Settings
from tests.conftest import StartProcess
from tests.email.postman import DROP, Postman, postman
from tests.support.waiting import wait_for

SOON = jobs.Options(min_backoff=1, max_backoff=1)  # milliseconds


async def start_worker(worker: StartProcess, server: Postman) -> None:
    await worker(
        "actors", EMAIL_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none"
    )


async def enqueue(
    client: Client, to: list[str], options: jobs.Options = SOON, policy: str = "at_most_once"
) -> uuid.UUID:
    async with client.session() as session:
        enqueued = await email.send(session, to=to, subject="Hello", text="Curtain.", options=options, policy=policy)
        await session.commit()
    return enqueued.id


async def look_at_mail(client: Client, email_id: uuid.UUID) -> Email:
    async with client.session() as session:
        return await email.get(session, email_id)


async def look(client: Client, job_id: uuid.UUID) -> Job | None:
    async with client.session() as session:
        job = await jobs.get(session, job_id)
    return job if job.finished_at else None


async def ended(client: Client, job_id: uuid.UUID) -> Job:
    job: Job = await wait_for(partial(look, client, job_id), what="the end of the job")
    return job


async def test_a_mail_refused_twice_for_now_succeeds_on_attempt_three(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a server that says 451 twice, when a mail is sent, then it arrives once, and both failures are kept."""
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["451 4.7.1 greylisted"] * 2
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com"]))

    assert (job.state, job.attempt) == ("succeeded", 3)
    [received] = server.received
    assert job.result == {
        "provider": "smtp",
        "message_id": f"<{job.id}@localhost>",
        "accepted": ["ada@example.com"],
        "refused": {},
        "reply": "OK",
    }
    assert received.mail["Message-ID"] == f"<{job.id}@localhost>"
    async with client.session() as session:
        attempts = await jobs.attempts(session, job.id)
    assert [(a.attempt, a.error_type) for a in attempts] == [(1, "NotSent"), (2, "NotSent")]
    assert all("451 4.7.1 greylisted" in a.error_message for a in attempts)


async def test_a_mail_refused_for_good_fails_at_once(client: Client, worker: StartProcess) -> None:
    """Given a server that says 550, when a mail is sent, then its job fails at once, the whole attempt kept."""
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["550 5.1.1 unknown"]
        await start_worker(worker, server)
        job = await ended(client, await enqueue(client, ["ada@example.com"]))

    assert (job.state, job.attempt, server.received) == ("failed", 1, [])
    async with client.session() as session:
        [attempt] = await jobs.attempts(session, job.id)
    assert attempt.error_type == "Rejected"
    assert "ada@example.com: 550 5.1.1 unknown" in attempt.error_message
    assert attempt.traceback.startswith("Traceback (most recent call last)")
    assert re.search(r"errors\.Rejected: .*550 5\.1\.1 unknown", attempt.traceback)


async def test_only_the_refused_recipients_are_tried_again(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given two of three recipients refused for now, one of them twice, then each gets the mail once."""
    async with postman() as server:
        server.answers["RCPT bob@example.com"] = ["451 busy"]
        server.answers["RCPT eve@example.com"] = ["451 busy"] * 2
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com", "bob@example.com", "eve@example.com"]))

    assert (job.state, job.attempt) == ("succeeded", 3)
    assert [received.recipients for received in server.received] == [
        ["ada@example.com"], ["bob@example.com"], ["eve@example.com"]
    ]  # fmt: skip
    assert all("ada@example.com, bob@example.com" in received.mail["To"] for received in server.received)
    assert job.result is not None
    assert job.result["accepted"] == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert job.result["refused"] == {}


async def test_a_partly_refused_mail_fails_and_can_be_run_again(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given one of two recipients refused for good, then the job fails, says who has the mail, and when somebody runs
    it again only the other gets it."""
    async with postman() as server:
        server.answers["RCPT bob@example.com"] = ["550 5.7.1 not you"]
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com", "bob@example.com"]))

        assert (job.state, job.attempt) == ("failed", 1)
        mail = await look_at_mail(client, job.id)
        assert (mail.status, mail.accepted) == ("rejected", ["ada@example.com"])
        assert mail.refused == {"bob@example.com": {"code": 550, "text": "5.7.1 not you"}}
        assert job.error is not None
        assert job.error["type"] == "Rejected"
        assert "1 of 2 recipients were accepted" in job.error["message"]

        async with client.database.connection() as connection:
            await connection.execute(QUEUE_AGAIN, [job.id])
        job = await ended(client, job.id)

    assert job.state == "succeeded"
    assert [received.recipients for received in server.received] == [["ada@example.com"], ["bob@example.com"]]


async def test_who_was_refused_for_good_stays_refused_while_others_are_tried_again(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given one recipient without a mailbox, who is suppressed for it, and one refused for now, then the job goes on
    for the second and fails for the first, as for any that was refused for good; sent again, it says so again."""
    async with postman() as server:
        server.answers["RCPT Ada@example.com"] = ["550 5.1.1 unknown"]
        server.answers["RCPT bob@example.com"] = ["451 busy"]
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["Ada@example.com", "bob@example.com"]))

        assert (job.state, job.attempt) == ("failed", 2)
        assert job.error is not None
        assert "1 of 2 recipients were accepted" in job.error["message"]
        async with client.session() as session:
            again = await email.resend(session, job.id, "ada")
            await session.commit()
        assert (await ended(client, again.id)).state == "failed"

    assert [received.recipients for received in server.received] == [["bob@example.com"]]
    mail = await look_at_mail(client, job.id)
    assert (mail.status, mail.accepted, mail.suppressed) == ("rejected", ["bob@example.com"], None)
    assert mail.refused == {"Ada@example.com": {"code": 550, "text": "5.1.1 unknown"}}


async def test_a_lost_answer_is_tried_again_with_the_same_message_id(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a server that keeps the mail and drops the connection, when the mail is to be sent at least once, then it
    is sent again, recognisably."""
    async with postman() as server:
        server.answers["DATA"] = [DROP]
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com"], policy="at_least_once"))

    assert (job.state, job.attempt) == ("succeeded", 2)
    async with client.session() as session:
        [attempt] = await jobs.attempts(session, job.id)
    assert attempt.error_type == "Ambiguous"
    first, second = server.received
    assert first.mail["Message-ID"] == second.mail["Message-ID"]


async def test_a_lost_answer_of_a_mail_to_be_sent_at_most_once_is_left_to_a_person(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given the same server, then such a mail is unknown and its job fails at once; when somebody asks for it, it is
    sent again, recognisably, and that is on record."""
    async with postman() as server:
        server.answers["DATA"] = [DROP]
        await start_worker(worker, server)
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com"]))

        assert (job.state, job.attempt, len(server.received)) == ("failed", 1, 1)
        assert job.error is not None
        assert job.error["type"] == "InDoubt"
        assert (await look_at_mail(client, job.id)).status == "unknown"

        async with client.session() as session:
            again = await email.resend(session, job.id, "ada", "the log of the server has nothing")
            await session.commit()
        assert (await ended(client, again.id)).state == "succeeded"

    mail = await look_at_mail(client, job.id)
    assert (mail.status, mail.attempts, mail.job_id) == ("sent", 2, again.id)
    first, second = server.received
    assert first.mail["Message-ID"] == second.mail["Message-ID"]
    async with client.session() as session:
        [note] = await session.scalars(select(Audit))
    assert (note.who, note.action, note.target) == ("ada", "email.resend", str(job.id))


async def test_a_mail_that_the_workers_settings_do_not_let_leave_is_no_doubt(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a worker whose EMAIL_FROM is no address, then each of the job's attempts fails, and the mail has too: it
    surely has not left. Once that is set right, it is sent."""
    async with postman() as server:
        wrong = await worker("actors", EMAIL_FROM="nobody")
        await scheduler()
        job = await ended(client, await enqueue(client, ["ada@example.com"]))
        assert (job.state, job.attempt) == ("failed", 4)
        mail = await look_at_mail(client, job.id)
        assert mail.status == "failed"
        assert mail.error is not None
        assert mail.error.startswith("EMAIL_FROM")
        wrong.kill()

        await start_worker(worker, server)
        async with client.session() as session:
            again = await email.resend(session, job.id, "ada")
            await session.commit()
        assert (await ended(client, again.id)).state == "succeeded"
    assert len(server.received) == 1


async def test_arguments_that_no_service_checked_fail_at_once(client: Client, worker: StartProcess) -> None:
    """Given a mail enqueued by name with a line break in its subject, then nothing is sent, and nothing tried again."""
    async with postman() as server:
        await start_worker(worker, server)
        arguments = {"to": "ada@example.com", "subject": "Hello\nBcc: eve@example.com", "text": "Curtain."}
        async with client.session() as session:
            enqueued = await jobs.enqueue_by_name(session, "send_email", [], arguments)
            await session.commit()
        job = await ended(client, enqueued.id)

    assert (job.state, job.attempt, server.received) == ("failed", 1, [])
    assert job.error is not None
    assert job.error["type"] == "BadArguments"


async def test_without_any_setting_mail_goes_to_files(client: Client, worker: StartProcess, settings: Settings) -> None:
    await worker("actors")
    job = await ended(client, await enqueue(client, ["ada@example.com"]))
    assert job.state == "succeeded"
    assert [path.name for path in Path(settings.mail_folder).iterdir()] == [f"{job.id}.eml"]
