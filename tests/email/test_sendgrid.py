"""SendGrid: the request its package writes, and what each answer means, from a real server on this machine."""

import base64
import json
import time
import uuid
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from errors import Ambiguous, BadArguments, ChannelClosed, ChannelRefused, ConfigurationError, NotSent, Rejected
from providers.email import Message, Receipt, fail_over, provider, read_message
from providers.email.sendgrid import request_of
from settings import Settings
from tests.email.postman import postman
from tests.http.hostile import Receiver, answer, receiver

VECTORS = json.loads((Path(__file__).parent / "vectors/providers.json").read_text())


def mail(**changes: Any) -> Message:
    arguments = {"sender": "Stage <stage@example.org>", "to": "ada@example.com", "subject": "Hello", "text": "Curtain."}
    return read_message(uuid.uuid4(), **(arguments | changes))


def settings_for(here: Receiver, path: str = "/scripted", **changes: Any) -> Settings:
    arguments: dict[str, Any] = {
        "sendgrid_api_key": SecretStr("SG.a-key"),
        "sendgrid_url": here.url(path),
        "outgoing_schemes": ("http",),
        "outgoing_ports": ("*",),
        "outgoing_private": ("127.0.0.0/8",),
    }
    return Settings(**(arguments | changes))


async def send(here: Receiver, path: str = "/scripted", message: Message | None = None) -> Receipt:
    message = message or mail()
    return await provider(settings_for(here, path), "sendgrid").send(message, message.recipients)


async def test_a_mail_is_one_request_with_the_key_and_our_id() -> None:
    message = mail(
        to=["Ada <ada@example.com>"], cc="bob@example.com", bcc="hidden@example.com", reply_to="desk@example.org",
        html="<p>Curtain.</p>", headers={"List-Unsubscribe": "<https://x.example/u>"},
        attachments=[{"name": "bill.pdf", "type": "application/pdf", "content": base64.b64encode(b"%PDF").decode()}],
    )  # fmt: skip
    async with receiver() as here:
        here.answers = [answer(202, "X-Message-Id: sg-1\r\n")]
        receipt = await send(here, message=message)
    [request] = here.received
    assert (request.method, request.path) == ("POST", "/scripted/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG.a-key"
    body = json.loads(request.body)
    assert body == {
        "from": {"name": "Stage", "email": "stage@example.org"},
        "subject": "Hello",
        "personalizations": [
            {
                "to": [{"name": "Ada", "email": "ada@example.com"}],
                "cc": [{"email": "bob@example.com"}],
                "bcc": [{"email": "hidden@example.com"}],
            }
        ],
        "reply_to_list": [{"email": "desk@example.org"}],
        "content": [{"type": "text/plain", "value": "Curtain."}, {"type": "text/html", "value": "<p>Curtain.</p>"}],
        "headers": {"Message-ID": message.message_id, "List-Unsubscribe": "<https://x.example/u>"},
        "custom_args": {"email_id": str(message.id)},
        "attachments": [
            {"content": "JVBERg==", "filename": "bill.pdf", "type": "application/pdf", "disposition": "attachment"}
        ],
    }
    assert (receipt.provider_id, receipt.accepted) == ("sg-1", message.recipients)


def test_the_request_has_the_published_shape() -> None:
    published = VECTORS["sendgrid_request"]
    body = request_of(
        mail(sender="a@example.com", to="b@example.com", subject="s", text="p", html="<p>h</p>"), ["b@example.com"]
    )
    for name in ("from", "subject", "personalizations", "content"):
        assert body[name] == published[name]
    assert set(published) >= set(body)


async def test_only_the_recipients_asked_for_get_it() -> None:
    message = mail(to=["ada@example.com", "bob@example.com"])
    body = request_of(message, ["bob@example.com"])
    assert body["personalizations"] == [{"to": [{"email": "bob@example.com"}]}]


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (["cc1", "cc2", "hidden1"], [{"to": ["cc1"], "cc": ["cc2"], "bcc": ["hidden1"]}]),
        (["hidden1", "hidden2"], [{"to": ["hidden1"]}, {"to": ["hidden2"]}]),
    ],
    ids=["who is in cc takes the place", "who is in bcc learns of nobody"],
)
def test_when_nobody_of_to_is_left_the_sender_gets_no_copy(left: list[str], expected: list[dict[str, Any]]) -> None:
    """Given a mail that those of `to` have, then the rest get it, and nobody whom the mail does not name."""
    message = mail(**{
        kind: [f"{name}@example.com" for name in names]
        for kind, names in {"to": ["ada"], "cc": ["cc1", "cc2"], "bcc": ["hidden1", "hidden2"]}.items()
    })  # fmt: skip
    body = request_of(message, [f"{name}@example.com" for name in left])
    wanted = [
        {kind: [{"email": f"{name}@example.com"} for name in names] for kind, names in one.items()} for one in expected
    ]
    assert sorted(body["personalizations"], key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected), (401, ChannelClosed), (403, ChannelClosed), (413, Rejected),
        (302, ChannelRefused), (404, ChannelRefused), (405, ChannelRefused),
        (429, NotSent), (500, NotSent), (502, Ambiguous), (503, NotSent), (504, Ambiguous),
    ],
)  # fmt: skip
async def test_what_each_status_means(status: int, error: type[Exception]) -> None:
    async with receiver() as here:
        with pytest.raises(error) as caught:
            await send(here, f"/{status}")
        assert type(caught.value) is error
        assert len(here.received) == 1
        assert "SG.a-key" not in str(caught.value)


async def test_a_sender_that_is_none_of_the_accounts_is_no_reason_to_stop_others() -> None:
    """Given a 403 that names a field of the mail, then it is that mail which is refused, and the next is asked for."""
    body = json.dumps({"errors": [{"message": "no verified Sender Identity", "field": "from", "help": None}]}).encode()
    async with receiver() as here:
        here.answers = [answer(403, body=body)]
        with pytest.raises(ChannelRefused) as caught:
            await send(here)
        assert type(caught.value) is ChannelRefused
        assert (await send(here)).accepted
    assert len(here.received) == 2


async def test_a_request_whose_answer_is_lost_is_ambiguous_and_one_nobody_took_is_not_sent() -> None:
    async with receiver() as here:
        with pytest.raises(Ambiguous):
            await send(here, "/reset")
        assert len(here.received) == 1
    with pytest.raises(NotSent):
        await send(here)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("Retry-After: 120", 120, 120),
        (f"Retry-After: {formatdate(time.time() + 9000, usegmt=True)}", 5000, 9000),
        (f"X-RateLimit-Reset: {int(time.time()) + 9000}", 5000, 9000),
    ],
    ids=["in seconds", "as a date", "at a moment"],
)
async def test_how_long_sendgrid_wants_us_to_wait(header: str, least: float, most: float) -> None:
    async with receiver() as here:
        here.answers = [answer(429, f"{header}\r\n")]
        with pytest.raises(NotSent) as caught:
            await send(here)
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


async def test_the_next_provider_is_asked_when_this_one_surely_sent_nothing() -> None:
    """Given SendGrid that refuses our key, and SMTP behind it, when a mail is sent, then it leaves by SMTP."""
    async with receiver() as here, postman() as server:
        settings = settings_for(
            here, "/401", smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", smtp_username=None
        )
        message = mail()
        receipt = await fail_over(settings, ("sendgrid", "smtp"), message, message.recipients)
        await provider(settings, "smtp").close()  # type: ignore[attr-defined]
    assert (receipt.provider, len(server.received), len(here.received)) == ("smtp", 1, 1)


@pytest.mark.parametrize(("path", "error"), [("/reset", Ambiguous), ("/400", Rejected)])
async def test_no_other_provider_is_asked_when_this_one_may_have_sent_it_or_refuses_the_mail(
    path: str, error: type[Exception], tmp_path: Path
) -> None:
    async with receiver() as here:
        message = mail()
        settings = settings_for(here, path, email_folder=tmp_path)
        with pytest.raises(error):
            await fail_over(settings, ("sendgrid", "file"), message, message.recipients)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"sendgrid_api_key": SecretStr("SG.a-key\n")}, {"outgoing_private": ()}, {"sendgrid_url": "ftp://sendgrid"}],
    ids=["a key with a line break", "a host that may not be called", "no address"],
)
async def test_what_is_wrong_with_sendgrids_settings_is_not_the_mails_fault(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    """Given settings with which no request can be made, then the next provider is asked; without one the error says
    what to set right, and not the key."""
    async with receiver() as here:
        settings, message = settings_for(here, email_folder=tmp_path, **wrong), mail()
        assert (await fail_over(settings, ("sendgrid", "file"), message, message.recipients)).provider == "file"
        with pytest.raises(ChannelRefused, match="SENDGRID_API_KEY") as caught:
            await fail_over(settings, ("sendgrid",), message, message.recipients)
    assert "SG.a-key" not in str(caught.value)
    assert here.received == []


async def test_a_provider_that_is_not_set_up_is_passed_over(tmp_path: Path) -> None:
    settings, message = Settings(email_folder=tmp_path), mail()
    receipt = await fail_over(settings, ("sendgrid", "ses", "file"), message, message.recipients)
    assert receipt.provider == "file"
    with pytest.raises(ConfigurationError, match="SENDGRID_API_KEY"):
        provider(settings, "sendgrid")


def test_bad_attachments_are_refused() -> None:
    for bad in ("x", [{"name": "a"}], [{"name": "a", "content": "!"}], [{"name": "../a", "content": ""}],
                [{"name": "a\r\nX: y", "content": ""}], [{"name": "a", "content": "", "type": "text/html\r\nX: y"}],
                [{"name": str(number), "content": ""} for number in range(21)]):  # fmt: skip
        with pytest.raises(BadArguments) as caught:
            mail(attachments=bad)
        assert caught.value.path.startswith("attachments")
