"""Many mails, many callers: bulk, idempotency keys, suppressions."""

import asyncio
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db.models import Email, Job
from errors import BadArguments, NotFound, TooLarge
from runtime.client import Client
from services import alerts, email, jobs, suppressions
from settings import Settings
from settings import settings as settings_of_process
from tests.conftest import StartProcess
from tests.email.postman import postman
from tests.support.waiting import wait_for


async def count(client: Client, model: type[Email] | type[Job]) -> int:
    async with client.session() as session:
        return (await session.scalar(select(func.count()).select_from(model))) or 0


async def all_ended(client: Client) -> bool:
    async with client.database.connection() as connection:
        return not await connection.fetchval("select exists (select from jobs where outcome is null)")


async def mail(client: Client, email_id: uuid.UUID) -> Email:
    async with client.session() as session:
        return await email.get(session, email_id)


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of templates with one in it."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "welcome.subject").write_text("Welcome, {{ name }}\n")
    (folder / "welcome.html").write_text("<style>p { color: red }</style><p>Hello <b>{{ name }}</b>, {{ show }}!</p>")
    monkeypatch.setenv("EMAIL_TEMPLATES", str(folder))
    settings_of_process.cache_clear()
    yield folder
    settings_of_process.cache_clear()


async def test_ten_thousand_recipients_are_ten_thousand_jobs_of_one_call(client: Client, templates: Path) -> None:
    """Given a template and 10,000 recipients with data of their own, when one call is made, then each has a mail and a
    job with the same id, none of them yet rendered into the row."""
    everybody = [email.To(f"Reader {n} <{n}@example.com>", {"name": f"Ada {n}"}) for n in range(10_000)]
    async with client.session() as session:
        sent = await email.send_bulk(session, everybody, template="welcome", data={"show": "Curtain"})
        await session.commit()
    assert (len(sent), len({one.id for one in sent})) == (10_000, 10_000)
    assert all(one.created for one in sent)
    assert (await count(client, Email), await count(client, Job)) == (10_000, 10_000)
    row = await mail(client, sent[17].id)
    assert (row.subject, row.addresses, row.template) == ("Welcome, Ada 17", ["17@example.com"], "welcome")
    async with client.session() as session:
        job = await jobs.get(session, sent[17].id)
    assert (job.actor, job.queue, job.args) == ("deliver_bulk_file", "email-bulk", [str(sent[17].id)])


async def test_one_wrong_recipient_and_nothing_is_written(client: Client, templates: Path) -> None:
    async with client.session() as session:
        with pytest.raises(BadArguments) as caught:
            await email.send_bulk(session, [email.To("ada@example.com"), email.To("bob")], subject="x", text="y")
        assert caught.value.path == "to[1].address"
        with pytest.raises(BadArguments) as caught:  # the template wants a name
            await email.send_bulk(session, [email.To("ada@example.com")], template="welcome")
        assert caught.value.path == "to[0].data"
        with pytest.raises(BadArguments, match="10,000"):
            await email.send_bulk(session, [email.To("ada@example.com")] * 10_001, subject="x", text="y")
        await session.commit()
    assert (await count(client, Email), await count(client, Job)) == (0, 0)


async def test_bulk_mails_arrive_with_their_own_words_no_faster_than_they_may(
    client: Client, worker: StartProcess, scheduler: StartProcess, templates: Path
) -> None:
    """Given a rate of 20 a second, when 45 mails are sent, then each reader gets their own, inlined and as text, and
    they take as long as that rate wants."""
    async with postman() as server:
        everybody = [email.To(f"{n}@example.com", {"name": f"<Ada {n}>"}) for n in range(45)]
        async with client.session() as session:
            await email.send_bulk(session, everybody, template="welcome", data={"show": "Curtain"}, provider="smtp")
            await session.commit()
        await scheduler()
        await worker(
            "actors", EMAIL_TEMPLATES=str(templates), SMTP_RATE="20/s", SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(server.port), SMTP_SECURITY="none",
        )  # fmt: skip
        await wait_for(lambda: all_ended(client), what="the end of all jobs")
    assert len(server.received) == 45
    async with client.database.connection() as connection:
        took = await connection.fetchval("select extract(epoch from max(started_at) - min(started_at)) from jobs")
    assert took >= 2  # in any second 20 at most: the 45th starts in the third
    [one] = [received.mail for received in server.received if received.recipients == ["17@example.com"]]
    text, html = one.iter_parts()
    assert one["Subject"] == "Welcome, <Ada 17>"
    assert text.get_content().strip() == "Hello <Ada 17>, Curtain!"
    assert '<p style="color: red;">Hello <b>&lt;Ada 17&gt;</b>' in html.get_content()


async def test_one_idempotency_key_makes_one_mail_whoever_asks(client: Client) -> None:
    """Given forty callers at once with the same key, when all have committed, then there is one mail, and all have its
    id; later callers too, long after it was sent."""

    async def ask() -> jobs.Enqueued:
        async with client.session() as session:
            sent = await email.send(
                session, to="ada@example.com", subject="Renewal", text="…", idempotency_key="renewal:7:2027-01-01"
            )
            await session.commit()
            return sent

    sent = await asyncio.gather(*(ask() for _ in range(40)))
    assert sum(one.created for one in sent) == 1
    assert len({one.id for one in sent}) == 1
    async with client.database.connection() as connection:
        await connection.execute("update emails set status = 'delivered'")
    assert await ask() == jobs.Enqueued(sent[0].id, created=False)
    assert (await count(client, Email), await count(client, Job)) == (1, 1)


async def test_a_key_twice_in_one_bulk_is_one_mail(client: Client) -> None:
    twice = [email.To("ada@example.com", idempotency_key="one"), email.To("bob@example.com", idempotency_key="one")]
    async with client.session() as session:
        first, second = await email.send_bulk(session, twice, subject="x", text="y")
        await session.commit()
    assert (first.created, second.created, second.id) == (True, False, first.id)
    assert await count(client, Job) == 1


async def test_who_is_suppressed_gets_nothing_and_that_is_no_failure(client: Client, worker: StartProcess) -> None:
    """Given a suppressed address and one that has left a list, when mails are sent, then the first gets none, the
    second gets other mail than that list's, and the others get theirs."""
    async with client.session() as session:
        await suppressions.add(session, "Gone@Example.com", "ada", note="asked by telephone")
        await suppressions.add(session, "left@example.com", "ada", mailing_list="news")
        to_gone = await email.send(session, to="gone@example.com", subject="x", text="y")
        to_both = await email.send(session, to=["GONE@example.com", "bob@example.com"], subject="x", text="y")
        to_left = await email.send(session, to="left@example.com", subject="x", text="y")
        await session.commit()
    async with postman() as server:
        await worker(
            "actors", EMAIL_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none"
        )
        await wait_for(lambda: all_ended(client), what="the end of all jobs")
    assert sorted(received.recipients for received in server.received) == [["bob@example.com"], ["left@example.com"]]
    assert [(await mail(client, one.id)).status for one in (to_gone, to_both, to_left)] == [
        "suppressed",
        "sent",
        "sent",
    ]
    assert (await mail(client, to_both.id)).suppressed == ["gone@example.com"]
    async with client.session() as session:
        assert (await jobs.get(session, to_gone.id)).state == "succeeded"


async def test_a_mail_of_a_list_has_the_link_to_leave_it_and_respects_who_left(
    client: Client, worker: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client.session() as session:
        with pytest.raises(BadArguments, match="PUBLIC_URL") as caught:
            await email.send(session, to="stays@example.com", subject="x", text="y", mailing_list="news")
        assert caught.value.path == "mailing_list"
        monkeypatch.setenv("PUBLIC_URL", "https://jobs.example.com")
        settings_of_process.cache_clear()
        await suppressions.add(session, "left@example.com", "ada", mailing_list="news")
        [stays, left] = [
            await email.send_bulk(
                session, [email.To(address)], subject="x", text="y", mailing_list="news", provider="smtp"
            )
            for address in ("stays@example.com", "left@example.com")
        ]
        await session.commit()
    async with postman() as server:
        await worker("actors", SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none")
        await wait_for(lambda: all_ended(client), what="the end of all jobs")
    settings_of_process.cache_clear()
    [received] = server.received
    assert received.recipients == ["stays@example.com"]
    assert received.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert received.mail["List-Unsubscribe"].startswith("<https://jobs.example.com/unsubscribe/")
    assert [(await mail(client, one[0].id)).status for one in (stays, left)] == ["sent", "suppressed"]


async def test_what_is_suppressed_can_be_released(client: Client) -> None:
    async with client.session() as session:
        await suppressions.add(session, "ada@example.com", "bob")
        assert [entry.address for entry in await suppressions.listed(session)] == ["ada@example.com"]
        assert await suppressions.remove(session, "ADA@example.com", "bob") == ["manual"]
        with pytest.raises(NotFound):
            await suppressions.remove(session, "ada@example.com", "bob")


async def test_a_mailbox_that_does_not_exist_is_suppressed(client: Client, worker: StartProcess) -> None:
    """Given a server that says 5.1.1, when a mail was sent there, then the next one is not even tried."""
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["550 5.1.1 no such user"]
        await worker(
            "actors", EMAIL_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none"
        )
        for status in ("rejected", "suppressed"):
            async with client.session() as session:
                sent = await email.send(session, to="ada@example.com", subject="x", text="y")
                await session.commit()
            await wait_for(partial(all_ended, client), what="the end of the job")
            assert (await mail(client, sent.id)).status == status
    assert server.received == []


async def test_the_same_alert_is_sent_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given two recipients and a webhook, and one of each that is nonsense, when the same alert is raised thrice
    at once and another once, then each is told of both, and an hour later how many were held back."""
    monkeypatch.setenv("ALERT_RECIPIENTS", "ops@example.com, nonsense, ada@example.com")
    monkeypatch.setenv("ALERT_WEBHOOKS", "https://hooks.example.com/alerts, ftp://nonsense")
    settings_of_process.cache_clear()

    async def alert(title: str) -> bool:
        async with client.session() as session:
            sent = await alerts.notify(session, "error", title, "It stands still.")
            await session.commit()
            return sent

    try:
        sent = await asyncio.gather(*(alert("The queue email stands still") for _ in range(3)))
        assert sum(sent) == 1
        assert await alert("Another")
        async with client.database.connection() as connection:
            await connection.execute("update alerts set sent_at = now() - interval '2 hours'")
        assert await alert("The queue email stands still")
    finally:
        settings_of_process.cache_clear()
    async with client.session() as session:
        mails = list(await session.scalars(select(Email).order_by(Email.created_at, Email.id)))
    assert sorted(mail.addresses[0] for mail in mails) == ["ada@example.com"] * 3 + ["ops@example.com"] * 3
    async with client.session() as session:
        posted = await session.scalar(select(func.count()).select_from(Job).where(Job.queue != "email-bulk"))
    assert posted == 3
    assert mails[-1].content is not None
    assert mails[-1].content["data"]["held_back"] == 2


async def test_bad_mails_are_refused_at_the_call(client: Client, settings: Settings) -> None:
    async with client.session() as session:
        send = partial(email.send, session, to="ada@example.com", subject="x")
        for bad, path in (
            ({"text": "y", "provider": "pigeon"}, "provider"),
            ({"text": "y", "policy": "maybe"}, "policy"),
            ({"text": "y", "idempotency_key": ""}, "idempotency_key"),
            ({"text": "y", "data": {"a": 1}}, "data"),
            ({"text": "y", "template": "alert"}, "template"),
            ({"template": "../../etc/passwd"}, "template"),
            ({"template": "none-such"}, "template"),
            ({"text": "a\0b"}, "text"),
            ({}, "text"),
        ):
            with pytest.raises(BadArguments) as caught:
                await send(**bad)
            assert caught.value.path == path, bad
        with pytest.raises(TooLarge):
            await send(text="y", attachments=[{"name": "a", "content": "A" * 15_000_000}])
        await session.commit()
    assert await count(client, Email) == 0
