"""What providers tell, in our words: published events of SendGrid and SES, their signatures, and what rows become."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from db import emails
from errors import Forbidden
from providers.email.events import Event, from_sendgrid, from_ses
from providers.email.sendgrid_signature import verify
from runtime.client import Client
from services import email

VECTORS = json.loads((Path(__file__).parent / "vectors/providers.json").read_text())


def told(event: Event) -> dict[str, Any]:
    """As the vectors have it; the mail's id is whichever the provider brought back."""
    found = {
        "event_type": event.type,
        "timestamp": event.occurred_at.isoformat(),
        "message_id": event.email_id or (event.smtp_id if event.provider == "sendgrid" else event.provider_id),
        "event_id": event.event_id,
        "recipient": event.recipient,
        "reject_reason": event.reason,
        "mta_response": event.mta_response,
        "description": event.description,
        "click_url": event.click_url,
        "user_agent": event.user_agent,
        "tags": list(event.tags),
        "metadata": event.metadata,
    }
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("vector", VECTORS["sendgrid"], ids=lambda vector: vector["name"])
def test_events_of_sendgrid(vector: dict[str, Any]) -> None:
    [event] = from_sendgrid([vector["input"]], id_key="anymail_id")
    found = told(event)
    if event.type == "rejected":  # why it was dropped, in SendGrid's words: we keep those too
        assert found.pop("description") == vector["input"]["reason"]
    wanted = dict(vector["expected"])
    assert found == wanted | ({"tags": [wanted["tags"]]} if isinstance(wanted.get("tags"), str) else {})


@pytest.mark.parametrize("vector", VECTORS["ses"], ids=lambda vector: vector["name"])
def test_events_of_ses(vector: dict[str, Any]) -> None:
    events = from_ses(vector["sns"] | {"Message": json.dumps(vector["input"])})
    assert [told(event) for event in events] == vector["expected"]


@pytest.mark.parametrize(("said", "type_"), VECTORS["sendgrid_maps"][0]["map_event"].items())
def test_every_kind_of_event_of_sendgrid(said: str, type_: str) -> None:
    [event] = from_sendgrid([{"email": "ada@example.com", "event": said, "timestamp": 1}])
    assert event.type == type_


@pytest.mark.parametrize(("said", "reason"), VECTORS["sendgrid_maps"][0]["map_dropped_reason_lowercased"].items())
def test_every_reason_for_which_sendgrid_drops(said: str, reason: str) -> None:
    [event] = from_sendgrid([{"email": "ada@example.com", "event": "dropped", "reason": said.title(), "timestamp": 1}])
    assert event.reason == reason


@pytest.mark.parametrize("case", VECTORS["sendgrid_signatures"], ids=lambda case: case["id"])
def test_signatures_of_sendgrid(case: dict[str, Any]) -> None:
    arguments = (case["public_key"], case["payload"].encode(), case["signature"], case["timestamp"], 1600112502.0)
    if case["expected"]:
        verify(*arguments)
        with pytest.raises(Forbidden, match="too old"):
            verify(*arguments[:-1], 1600112502.0 + 601)
    else:
        with pytest.raises(Forbidden):
            verify(*arguments)


@pytest.mark.parametrize(("body", "signature"), [(b"\xff", "AAAA"), (b"[]", "no base64!"), (b"[]", "")])
def test_what_is_no_signature_is_refused_like_a_wrong_one(body: bytes, signature: str) -> None:
    with pytest.raises(Forbidden):
        verify(VECTORS["sendgrid_signatures"][0]["public_key"], body, signature, "1600112502", 1600112502.0)


def test_an_event_fits_into_a_job_whatever_it_holds() -> None:
    """Given an event with NUL, half a surrogate pair, and endless text, then what is kept of it can be stored."""
    [event] = from_sendgrid(
        [{"email": "A@Example.com\0", "event": "bounce", "timestamp": "soon", "reason": "x\ud800" * 900, "big": 2**70}]
    )
    assert len(orjson.dumps(event.as_json())) < 2_000
    assert event.as_json()["recipient"] == "a@example.com"


async def mail_in(client: Client, status: str) -> str:
    """A mail that a run claimed and left in this status. Returns its id."""
    async with client.session() as session:
        sent = await email.send(session, to="ada@example.com", subject="Hello", text="Curtain.")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute("update emails set status = $2, run = 1 where id = $1", sent.id, status)
    return str(sent.id)


async def record(client: Client, mail: str, kinds: Sequence[str], event_id: str | None = None) -> int:
    """Tell these events, each in a statement of its own; returns how many were new."""
    new = 0
    for number, kind in enumerate(kinds):
        event = Event(
            "sendgrid", kind, event_id or f"{kind}-{number}", "ada@example.com", datetime.now(UTC), email_id=mail
        )
        async with client.database.connection() as connection:
            row = await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps([event.as_json()]).decode())
        new += len(row["recorded"])
    return new


async def status_of(client: Client, mail: str) -> str:
    async with client.database.connection() as connection:
        status: str = await connection.fetchval("select status from emails where id = $1", mail)
    return status


VOCABULARY = {"processed": "queued"}


@pytest.mark.parametrize("vector", [v for v in VECTORS["monotonic"] if "expected_state" in v])
async def test_events_never_move_a_mail_back(client: Client, vector: dict[str, Any]) -> None:
    mail = await mail_in(client, "sent")
    kinds = [VOCABULARY.get(kind, kind) for kind in vector["events_in_arrival_order"]]
    assert await record(client, mail, kinds) == len(kinds)
    assert await status_of(client, mail) == vector["expected_state"]


async def test_the_same_event_twice_has_one_effect(client: Client) -> None:
    [vector] = [v for v in VECTORS["monotonic"] if "expected_effects" in v]
    mail = await mail_in(client, "sent")
    assert await record(client, mail, vector["events_in_arrival_order"], event_id="one") == vector["expected_effects"]


@pytest.mark.parametrize("status", ["unknown", "sending"])
@pytest.mark.parametrize(("kind", "becomes"), [("queued", "sent"), ("delivered", "delivered"), ("bounced", "bounced")])
async def test_an_event_settles_a_mail_of_which_nobody_knew(
    client: Client, status: str, kind: str, becomes: str
) -> None:
    """Given a mail whose answer was lost, when its provider tells of it, then it is not sent again."""
    mail = await mail_in(client, status)
    await record(client, mail, [kind])
    assert await status_of(client, mail) == becomes
    async with client.database.connection() as connection:
        assert await connection.fetchrow(emails.CLAIM, [mail], [mail], [2], [True]) is None


async def test_a_mail_is_found_by_its_providers_id(client: Client) -> None:
    mail = await mail_in(client, "sent")
    async with client.database.connection() as connection:
        await connection.execute("update emails set provider_id = 'ses-1' where id = $1", mail)
        event = Event("ses", "delivered", "e", "ada@example.com", datetime.now(UTC), provider_id="ses-1")
        await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps([event.as_json()]).decode())
    assert await status_of(client, mail) == "delivered"


async def test_an_event_of_a_mail_that_is_none_of_ours_is_kept(client: Client) -> None:
    async with client.database.connection() as connection:
        event = Event("ses", "delivered", "e", "ada@example.com", datetime.now(UTC), provider_id="other")
        row = await connection.fetchrow(emails.RECORD_EVENTS, orjson.dumps([event.as_json()]).decode())
    assert (row["recorded"], row["moved"]) == ([["ses", "e", "ada@example.com"]], 0)
