"""/api/v1/emails and /api/v1/suppressions."""

import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services import email
from tests.web.callers import assert_problem, caller, key


async def sent(client: Client, address: str = "ada@example.com") -> uuid.UUID:
    async with client.session() as session:
        enqueued = await email.send(
            session, to=address, subject="Hello", text="Curtain.",
            attachments=[{"name": "a.txt", "type": "text/plain", "content": "QQ=="}],
        )  # fmt: skip
        await session.commit()
    return enqueued.id


async def test_mails_are_listed_a_page_at_a_time(program: httpx.AsyncClient, client: Client) -> None:
    ids = [await sent(client, f"{number}@example.com") for number in range(3)]
    page = (await program.get("/api/v1/emails", params={"limit": 2})).json()
    assert [mail["id"] for mail in page["emails"]] == [str(ids[2]), str(ids[1])]
    rest = (await program.get("/api/v1/emails", params={"before": page["next"]})).json()
    assert ([mail["id"] for mail in rest["emails"]], rest["next"]) == ([str(ids[0])], None)
    found = (await program.get("/api/v1/emails", params={"address": "1@EXAMPLE.com", "status": "queued"})).json()
    assert [mail["id"] for mail in found["emails"]] == [str(ids[1])]
    for other in ({"tag": "invoice"}, {"template": "receipt"}, {"answer": "550"}):
        assert (await program.get("/api/v1/emails", params=other)).json() == {"emails": [], "next": None}
    assert_problem(await program.get("/api/v1/emails", params={"status": "lost"}), 422)


async def test_a_program_sends_a_mail_once(app: FastAPI, client: Client) -> None:
    """Given a key that may only enqueue, when it posts the same mail twice with a key of its own, then there is one
    mail and one job, which leave as services.email has it."""
    headers = await key("mailer", "cb_mailkey123_sends-mails", "enqueue")
    new = {
        "to": ["Ada <ada@example.com>"], "bcc": "bob@example.com", "subject": "Hello", "text": "Curtain.", "delay": 60,
        "tags": ["greeting"], "attachments": [{"name": "a.txt", "content": "QQ=="}], "headers": {"X-Order": "7"},
    }  # fmt: skip
    async with caller(app, headers) as program:
        first = await program.post("/api/v1/emails", json=new, headers={"Idempotency-Key": "order-7"})
        again = await program.post("/api/v1/emails", json=new, headers={"Idempotency-Key": "order-7"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert first.json()["id"] == again.json()["id"]
    async with client.database.connection() as connection:
        [mail] = await connection.fetch("select id, addresses, tags, content::text from emails")
        [job] = await connection.fetch("select id, actor, owner, run_at > now() as is_later from jobs")
    assert str(mail["id"]) == str(job["id"]) == first.json()["id"]
    assert (mail["addresses"], mail["tags"]) == (["ada@example.com", "bob@example.com"], ["greeting"])
    assert (job["actor"], job["owner"], job["is_later"]) == ("deliver_email", "key:mailer", True)


async def test_two_programs_do_not_share_their_keys(app: FastAPI, program: httpx.AsyncClient, client: Client) -> None:
    new, once = {"to": "ada@example.com", "subject": "Hello", "text": "Curtain."}, {"Idempotency-Key": "order-7"}
    mine = await program.post("/api/v1/emails", json=new, headers=once)
    async with caller(app, await key("other", "cb_otherkey12_sends-mails", "enqueue")) as other:
        theirs = await other.post("/api/v1/emails", json=new, headers=once)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"to": ["ada@example.com", "nobody"]}, "to[1]"),
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject"),
        ({"headers": {"Bcc": "eve@example.com"}}, "headers.Bcc"),
        ({"template": "no-such-template"}, "template"),
        ({"attachments": [{"name": "a", "content": "?"}]}, "attachments[0].content"),
        ({"colour": "red"}, "colour"),
        ({"delay": "60"}, "delay"),
    ],
)
async def test_a_mail_that_cannot_be_is_refused_and_named(
    program: httpx.AsyncClient, client: Client, wrong: dict[str, Any], path: str
) -> None:
    new = {"to": "ada@example.com", "subject": "Hello"} | ({} if "template" in wrong else {"text": "Curtain."})
    problem = assert_problem(await program.post("/api/v1/emails", json=new | wrong), 422)
    assert path in {error.path for error in problem.errors}
    async with client.database.connection() as connection:
        assert not await connection.fetchval("select exists (select from emails) or exists (select from jobs)")


async def test_a_key_for_other_queues_sends_no_mail(app: FastAPI) -> None:
    new = {"to": "ada@example.com", "subject": "Hello", "text": "Curtain."}
    headers = await key("narrow", "cb_narrowkey1_other-queues", "read", "enqueue", queues=["reports"])
    async with caller(app, headers) as program:
        assert_problem(await program.post("/api/v1/emails", json=new), 403)
    async with caller(app, await key("reader", "cb_readerkey1_only-reads", "read")) as program:
        assert_problem(await program.post("/api/v1/emails", json=new), 403)


async def test_one_mail_with_its_events_and_without_its_files(program: httpx.AsyncClient, client: Client) -> None:
    mail = await sent(client)
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into email_events (provider, event_id, recipient, email_id, type, occurred_at)"
            " values ('ses', 'e', 'ada@example.com', $1, 'delivered', now())",
            mail,
        )
    document = (await program.get(f"/api/v1/emails/{mail}")).json()
    assert (document["status"], document["content"]["text"]) == ("queued", "Curtain.")
    assert document["content"]["attachments"] == [{"name": "a.txt", "type": "text/plain"}]
    assert [event["type"] for event in document["events"]] == ["delivered"]
    assert_problem(await program.get(f"/api/v1/emails/{uuid.uuid4()}"), 404)


async def test_a_mail_is_sent_again_only_where_that_makes_sense(program: httpx.AsyncClient, client: Client) -> None:
    mail = await sent(client)
    assert_problem(await program.post(f"/api/v1/emails/{mail}/resend", json={}), 409)
    async with client.database.connection() as connection:
        await connection.execute("update emails set status = 'unknown', run = 1 where id = $1", mail)
    response = await program.post(f"/api/v1/emails/{mail}/resend", json={"reason": "the log has nothing"})
    assert response.status_code == 202
    assert response.json()["job_id"] != str(mail)
    assert_problem(await program.post(f"/api/v1/emails/{mail}/resend", json={}), 409)


async def test_mails_are_sent_again_by_a_job(program: httpx.AsyncClient, client: Client) -> None:
    asked = {"status": "unknown", "address": "ada@example.com", "since": "2026-01-01T00:00:00Z", "rate": 5}
    response = await program.post("/api/v1/emails/resend", json=asked)
    assert response.status_code == 202
    job = (await program.get(f"/api/v1/jobs/{response.json()['job_id']}")).json()
    assert (job["actor"], job["kwargs"]["status"], job["kwargs"]["rate"]) == ("resend_emails", "unknown", 5)
    for wrong in ({"status": "sent"}, {}, {"status": "failed", "rate": 0}, {"status": "failed", "more": 1}):
        assert_problem(await program.post("/api/v1/emails/resend", json=wrong), 422)


async def test_addresses_are_suppressed_and_released(program: httpx.AsyncClient) -> None:
    new = {"address": "Ada@Example.com", "note": "asked by telephone"}
    assert (await program.post("/api/v1/suppressions", json=new)).status_code == 204
    [entry] = (await program.get("/api/v1/suppressions")).json()
    assert (entry["address"], entry["reason"], entry["added_by"]) == ("ada@example.com", "manual", "key:tests")
    assert (await program.delete("/api/v1/suppressions/ada@example.com")).status_code == 204
    assert_problem(await program.delete("/api/v1/suppressions/ada@example.com"), 404)
    assert_problem(await program.post("/api/v1/suppressions", json={"address": "nobody"}), 422)


async def test_a_key_that_may_only_enqueue_sees_no_mails(app: FastAPI, client: Client) -> None:
    headers = await key("small", "cb_smallkey23_only-enqueues", "read", "enqueue")
    async with caller(app, headers) as program:
        assert_problem(await program.get("/api/v1/emails"), 403)
        assert_problem(await program.post("/api/v1/suppressions", json={"address": "ada@example.com"}), 403)
