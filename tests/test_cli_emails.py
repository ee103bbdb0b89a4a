"""`callboard emails …` and `callboard suppressions …`."""

import json
import uuid
from pathlib import Path

from runtime.client import Client
from services import email
from tests.test_cli import callboard


async def test_mails_are_listed_shown_and_sent_again(client: Client) -> None:
    async with client.session() as session:
        sent = await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.commit()

    done = callboard("emails", "list", "--to", "ADA@example.com", "--json")
    assert done.stderr == ""
    [listed] = json.loads(done.stdout)
    assert (listed["id"], listed["status"]) == (str(sent.id), "queued")
    assert "ada@example.com" in callboard("emails", "list").stdout
    assert json.loads(callboard("emails", "show", str(sent.id), "--json").stdout)["events"] == []
    assert "Hello" in callboard("emails", "show", str(sent.id)).stdout

    refused = callboard("emails", "resend", str(sent.id))
    assert (refused.returncode, "is queued" in refused.stderr) == (4, True)
    assert callboard("emails", "show", str(uuid.uuid4())).returncode == 3

    async with client.database.connection() as connection:
        await connection.execute("update emails set status = 'failed', run = 1")
    done = callboard("emails", "resend", str(sent.id), "--reason", "the server is back", "--json")
    assert json.loads(done.stdout)["job_id"] != str(sent.id)


def test_a_template_is_previewed(tmp_path: Path) -> None:
    data = {"level": "error", "title": "Help", "body": "It burns & smokes.", "held_back": 0}
    shown = callboard("emails", "preview", "alert", "--data", json.dumps(data))
    assert shown.stdout.startswith("Subject: [error] Help\n\nERROR: Help\n\nIt burns & smokes.")
    (tmp_path / "data.json").write_text(json.dumps(data))
    html = callboard("emails", "preview", "alert", "--html", "--data", f"@{tmp_path}/data.json").stdout
    assert "It burns &amp; smokes." in html
    assert "<style" not in html
    assert callboard("emails", "preview", "alert", "--data", "{}").returncode == 1
    assert callboard("emails", "preview", "alert", "--data", "[]").returncode == 1


async def test_addresses_are_suppressed_and_released(client: Client) -> None:
    assert callboard("suppressions", "add", "ada@example.com", "--note", "asked").returncode == 0
    [entry] = json.loads(callboard("suppressions", "list", "--json").stdout)
    assert (entry["address"], entry["reason"], entry["note"]) == ("ada@example.com", "manual", "asked")
    assert "ada@example.com" in callboard("suppressions", "list").stdout
    assert callboard("suppressions", "remove", "ada@example.com").returncode == 0
    assert callboard("suppressions", "remove", "ada@example.com").returncode == 3
