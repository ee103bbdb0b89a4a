"""`services.email.send`: what is enqueued, in whose transaction, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from db.models import Email, Job
from errors import BadArguments, TooLarge
from runtime.client import Client
from services import email, jobs


async def count(client: Client) -> int:
    async with client.session() as session:
        jobs_ = await session.scalar(select(func.count()).select_from(Job))
        return (jobs_ or 0) + (await session.scalar(select(func.count()).select_from(Email)) or 0)


async def test_a_mail_becomes_a_job(client: Client) -> None:
    """Given a session, when a mail is sent in it and it commits, then its job waits with exactly what was asked for."""
    later = datetime.now(UTC) + timedelta(hours=1)
    async with client.session() as session:
        enqueued = await email.send(
            session,
            to="Ada <ada@example.com>",
            cc=["bob@example.com"],
            subject="Hello",
            text="Curtain.",
            options=jobs.Options(run_at=later, min_backoff=1_000, tags=["welcome"]),
        )
        await session.commit()
    assert enqueued.created

    async with client.session() as session:
        job = await jobs.get(session, enqueued.id)
        mail = await email.get(session, enqueued.id)
    assert (job.actor, job.queue, job.state, job.args) == ("deliver_email", "email", "queued", [str(enqueued.id)])
    assert (mail.status, mail.job_id, mail.subject, mail.policy) == ("queued", job.id, "Hello", "at_most_once")
    assert mail.content == {"to": "Ada <ada@example.com>", "cc": ["bob@example.com"], "text": "Curtain."}
    assert mail.addresses == ["ada@example.com", "bob@example.com"]
    assert job.max_attempts == 4
    assert job.options == {"min_backoff": 1_000}
    assert job.run_at == later
    assert job.tags == ["welcome"]


async def test_a_rolled_back_transaction_sends_nothing(client: Client) -> None:
    async with client.session() as session:
        await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.rollback()
    assert await count(client) == 0


async def test_a_wrong_mail_is_refused_and_nothing_is_written(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(BadArguments) as caught:
            await email.send(session, to=["ada@example.com", "bob"], subject="Hello", text="Curtain.")
        assert caught.value.path == "to[1]"
        with pytest.raises(BadArguments, match="no recipient"):
            await email.send(session, subject="Hello", text="Curtain.")
        await session.commit()
    assert await count(client) == 0


async def test_a_mail_over_256_kib_is_refused(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(TooLarge, match="262,144"):
            await email.send(session, to="ada@example.com", subject="Hello", text="x" * 300_000)
        await session.commit()
    assert await count(client) == 0
