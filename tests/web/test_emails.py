"""/api/v1/emails and /api/v1/suppressions."""

import uuid

import httpx
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
    assert_problem(await program.get("/api/v1/emails", params={"status": "lost"}), 422)


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
