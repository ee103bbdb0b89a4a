"""PostgreSQL goes away in the middle of a send, and comes back: the worker lives, so it still knows."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from runtime.client import Client
from services import email
from settings import Settings
from tests.conftest import StartProcess
from tests.email.postman import postman
from tests.email.test_job import ended, enqueue, look_at_mail
from tests.runtime.line import Line
from tests.support.waiting import wait_for

LEASE = {"WORKER_LEASE": "60"}  # seconds, in which the line is surely mended


@pytest_asyncio.fixture
async def line(settings: Settings) -> AsyncIterator[Line]:
    async with Line.to(str(settings.database_url)) as line:
        yield line


def variables(port: int, line: Line) -> dict[str, str]:
    return {
        "EMAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SECURITY": "none",
        "DATABASE_URL": line.url, **LEASE,
    }  # fmt: skip


async def test_an_outcome_waits_for_the_database(
    client: Client, worker: StartProcess, scheduler: StartProcess, line: Line
) -> None:
    """Given a mail whose server answers while PostgreSQL is away, when that is back, then the mail is sent: by the same
    run, once, though it may be sent twice."""
    async with postman() as server:
        server.holds["DATA"] = asyncio.Event()
        running = await worker("actors", **variables(server.port, line))
        await scheduler(**LEASE)
        mail = await enqueue(client, ["ada@example.com"], policy="at_least_once")
        await wait_for(lambda: server.received, what="the mail at the server")
        line.cut()
        server.holds["DATA"].set()
        await running.says("writing down what became of mails")
        line.mend()
        job = await ended(client, mail)

    assert (job.state, job.attempt, len(server.received)) == ("succeeded", 1, 1)
    assert (await look_at_mail(client, mail)).status == "sent"


async def test_a_claim_whose_answer_was_lost_is_no_doubt(
    client: Client, worker: StartProcess, scheduler: StartProcess, line: Line
) -> None:
    """Given a mail that is claimed, and the line breaks before the worker hears of it, then the same run asks again,
    has it, and sends it: it surely had not left."""
    async with postman() as server:
        mail = await enqueue(client, ["ada@example.com"])
        async with client.database.connection() as connection:
            await connection.execute("delete from jobs")
            await connection.execute("update emails set status = 'failed'")
        await worker("actors", **variables(server.port, line))
        await scheduler()
        line.lose_the_reply_to(mail.bytes)  # its second job has another id: the first to name it is its claim
        async with client.session() as session:
            again = await email.resend(session, mail, "ada")
            await session.commit()
        job = await ended(client, again.id)

    assert line.has_lost_it
    assert (job.state, job.attempt, len(server.received)) == ("succeeded", 1, 1)
    found = await look_at_mail(client, mail)
    assert (found.status, found.attempts) == ("sent", 1)
