"""A provider that refuses our login or key while nobody else can take the mail: nothing is burnt."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from errors import ChannelClosed, NotSent
from providers.email.gate import Gate
from providers.email.smtp import SmtpProvider
from runtime.client import Client
from services import jobs
from tests.conftest import StartProcess
from tests.email.certificates import Authority
from tests.email.postman import PASSWORD, postman
from tests.email.test_job import ended, enqueue, look_at_mail
from tests.email.test_smtp import mail
from tests.http.hostile import Receiver, receiver
from tests.support.waiting import wait_for


@dataclass(frozen=True)
class Channel:
    """A provider that lets in whoever has the right settings."""

    wrong: dict[str, str]
    right: dict[str, str]
    asked: Callable[[], int]  # how often it was
    got: Callable[[uuid.UUID], int]  # copies of a mail


@asynccontextmanager
async def smtp(folder: Path) -> AsyncIterator[Channel]:
    authority = Authority(folder)
    (folder / "authority.pem").write_text(authority.pem)
    async with postman(tls_context=authority.server("127.0.0.1"), auth_required=True) as server:
        common = {"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.port),
                  "SMTP_USERNAME": "stage", "SSL_CERT_FILE": str(folder / "authority.pem")}  # fmt: skip
        yield Channel(
            common | {"SMTP_PASSWORD": "an-old-password"},
            common | {"SMTP_PASSWORD": PASSWORD},
            lambda: server.connections,
            lambda mail: sum(str(mail).encode() in received.content for received in server.received),
        )


@asynccontextmanager
async def sendgrid(folder: Path) -> AsyncIterator[Channel]:
    async with receiver() as here:
        common = {"EMAIL_PROVIDER": "sendgrid", "SENDGRID_API_KEY": "SG.a-key"}
        yield Channel(
            common | {"SENDGRID_URL": here.url("/401")},
            common | {"SENDGRID_URL": here.url("/202")},
            lambda: len(here.received),
            lambda mail: sum(
                request.path.startswith("/202") and str(mail).encode() in request.body for request in here.received
            ),
        )


@pytest_asyncio.fixture
async def alerted() -> AsyncIterator[Receiver]:
    async with receiver() as here:
        yield here


async def is_held(client: Client, mail: uuid.UUID) -> bool:
    async with client.session() as session:
        job = await jobs.get(session, mail)
    return (await look_at_mail(client, mail)).held_since is not None and job.state == "queued" and job.attempt > 0


async def held(client: Client) -> uuid.UUID:
    mail = await enqueue(client, ["ada@example.com"])
    await wait_for(partial(is_held, client, mail), what="a mail that waits")
    return mail


async def their_time_comes(client: Client) -> None:
    async with client.database.connection() as connection:
        await connection.execute("update jobs set run_at = now() where outcome is null")


@pytest.mark.parametrize(("made", "said"), [(smtp, "535"), (sendgrid, "401")], ids=["smtp", "sendgrid"])
async def test_mails_wait_while_their_provider_refuses_our_credentials(
    client: Client,
    worker: StartProcess,
    scheduler: StartProcess,
    alerted: Receiver,
    tmp_path: Path,
    made: Callable[[Path], AbstractAsyncContextManager[Channel]],
    said: str,
) -> None:
    """Given a worker whose credentials are refused, and no other provider, then its mails wait, say why, and use up no
    attempt; the provider is asked once, and people are told once. One that has waited for a day fails. When the worker
    starts with the right credentials, each of the others arrives."""
    async with made(tmp_path) as channel:
        refused = await worker("actors", **channel.wrong, ALERT_WEBHOOKS=alerted.url("/"))
        await scheduler(ALERT_WEBHOOKS=alerted.url("/"))
        mails = [await held(client) for _ in range(4)]
        assert channel.asked() == 1
        for mail in mails:
            found = await look_at_mail(client, mail)
            assert (found.status, found.attempts) == ("queued", 0)
            assert found.error is not None
            assert said in found.error
        await wait_for(lambda: alerted.received, what="the alert")

        given_up = mails.pop()
        async with client.database.connection() as connection:
            await connection.execute(
                "update emails set held_since = now() - interval '25 hours' where id = $1", given_up
            )
        await their_time_comes(client)
        job = await ended(client, given_up)
        assert job.error is not None
        assert (job.state, job.error["type"], (await look_at_mail(client, given_up)).status) == (
            "failed", "ChannelClosed", "rejected"
        )  # fmt: skip
        assert channel.asked() == 1

        refused.kill()
        await worker("actors", **channel.right)
        await their_time_comes(client)
        for mail in mails:
            job = await ended(client, mail)
            assert (job.state, job.attempt - job.releases) == ("succeeded", 1)
            found = await look_at_mail(client, mail)
            assert (found.status, found.attempts, found.held_since, channel.got(mail)) == ("sent", 1, None, 1)
            async with client.session() as session:
                assert await jobs.attempts(session, mail) == []
    [alert] = alerted.received
    assert said.encode() in alert.body


async def test_a_server_that_lets_us_in_again_needs_no_restart(tmp_path: Path) -> None:
    """Given a server that refuses our login for a while, then mails are not even offered to it; after a while one finds
    out that it does no more, and all leave."""
    authority = Authority(tmp_path)
    async with postman(tls_context=authority.server("127.0.0.1"), auth_required=True) as server:
        server.password = "not-yet-ours"
        provider = SmtpProvider(
            "127.0.0.1", server.port, username="stage", password=SecretStr(PASSWORD), again=3600, tls=authority.client
        )
        message = mail()
        with pytest.raises(ChannelClosed, match="535"):
            await provider.send(message, message.recipients)
        for _ in range(3):
            with pytest.raises(ChannelClosed, match="535"):
                await provider.send(message, message.recipients)
        assert server.connections == 1
        server.password = PASSWORD
        provider._gate._next = 0.0  # as if the hour were over
        await provider.send(message, message.recipients)
        await asyncio.gather(*(provider.send(message, message.recipients) for _ in range(5)))
        await provider.close()
    assert len(server.received) == 6


async def test_one_finds_out_for_all() -> None:
    """Given a provider that refuses our key, when its time is over, then one request is made, however many come; a
    network that fails meanwhile says nothing of the key."""
    gate, asked = Gate(10, again=0), 0

    async def ask(answer: Exception | None) -> None:
        nonlocal asked
        async with gate:
            asked += 1
            if answer:
                raise answer

    with pytest.raises(ChannelClosed):
        await ask(ChannelClosed("no"))
    gate.again = 3600
    with pytest.raises(NotSent):
        await ask(NotSent("no connection"))
    for _ in range(5):
        with pytest.raises(ChannelClosed, match="no"):
            await ask(None)
    assert asked == 2
