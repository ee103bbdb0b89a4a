"""`callboard emails …` and `callboard suppressions …`."""

import json
import uuid
from pathlib import Path

from runtime.client import Client
from services import email, jobs
from settings import Settings
from tests.cli.callboard import callboard


async def test_mails_are_listed_shown_and_sent_again(client: Client) -> None:
    async with client.session() as session:
        sent = await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.commit()

    done = await callboard("emails", "list", "--to", "ADA@example.com", "--json")
    assert done.err == ""
    [listed] = done.json
    assert (listed["id"], listed["status"]) == (str(sent.id), "queued")
    assert "ada@example.com" in (await callboard("emails", "list")).out
    assert (await callboard("emails", "show", str(sent.id), "--json")).json["events"] == []
    assert "Hello" in (await callboard("emails", "show", str(sent.id))).out

    refused = await callboard("emails", "resend", str(sent.id))
    assert (refused.code, "is queued" in refused.err) == (4, True)
    assert (await callboard("emails", "show", str(uuid.uuid4()))).code == 3

    async with client.database.connection() as connection:
        await connection.execute("update emails set status = 'failed', run = 1")
    done = await callboard("emails", "resend", str(sent.id), "--reason", "the server is back", "--json")
    assert done.json["job_id"] != str(sent.id)


async def test_mails_are_sent_again_by_their_status(client: Client) -> None:
    """Given a mail that failed, then it is counted, and sent again once somebody has agreed; what is no such status, or
    says both or nothing, is refused."""
    async with client.session() as session:
        sent = await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute("update emails set status = 'failed', error = '552 5.2.2 full'")
        await connection.execute("delete from jobs")
    counted = await callboard("emails", "resend", "--status", "failed", "--since", "1h", "--dry-run", "--json")
    assert counted.json == {"emails": 1, "is_exact": True}
    for answer, found in (("5.2.2", 1), ("550", 0)):
        of_these = ("--answer", answer, "--json")
        assert len((await callboard("emails", "list", *of_these)).json) == found
        counted = await callboard("emails", "resend", "--status", "failed", "--dry-run", *of_these)
        assert counted.json["emails"] == found
    assert "1 e-mail would" in (await callboard("emails", "resend", "--status", "failed", "--dry-run")).out
    done = await callboard("emails", "resend", "--status", "failed", "--to", "ADA@example.com", "--yes", "--json")
    async with client.session() as session:
        assert (await jobs.get(session, uuid.UUID(done.json["job_id"]))).actor == "resend_emails"
    for arguments in ((), (str(sent.id), "--status", "failed"), ("--status", "delivered")):
        assert (await callboard("emails", "resend", *arguments)).code == 1


async def test_a_template_is_previewed(settings: Settings, tmp_path: Path) -> None:
    data = {"level": "error", "title": "Help", "body": "It burns & smokes.", "held_back": 0}
    shown = await callboard("emails", "preview", "alert", "--data", json.dumps(data))
    assert shown.out.startswith("Subject: [error] Help\n\nERROR: Help\n\nIt burns & smokes.")
    (tmp_path / "data.json").write_text(json.dumps(data))
    html = (await callboard("emails", "preview", "alert", "--html", "--data", f"@{tmp_path}/data.json")).out
    assert "It burns &amp; smokes." in html
    assert "<style" not in html
    assert (await callboard("emails", "preview", "alert", "--data", "{}")).code == 1
    assert (await callboard("emails", "preview", "alert", "--data", "[]")).code == 1


async def test_addresses_are_suppressed_and_released(client: Client) -> None:
    assert (await callboard("suppressions", "add", "ada@example.com", "--note", "asked")).code == 0
    [entry] = (await callboard("suppressions", "list", "--json")).json
    assert (entry["address"], entry["reason"], entry["note"]) == ("ada@example.com", "manual", "asked")
    assert "ada@example.com" in (await callboard("suppressions", "list")).out
    assert (await callboard("suppressions", "remove", "ada@example.com")).code == 0
    assert (await callboard("suppressions", "remove", "ada@example.com")).code == 3
