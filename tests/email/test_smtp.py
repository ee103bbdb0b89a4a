"""SMTP: what is sent, over what, and what each way of going wrong means."""

import asyncio
import ssl
import time
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from errors import Ambiguous, ChannelRefused, ConfigurationError, DeliveryError, NotSent, Rejected
from providers.email import Message, Receipt, fail_over, provider, read_message
from providers.email.smtp import SmtpProvider
from settings import Settings
from tests.email.certificates import Authority
from tests.email.postman import DROP, PASSWORD, SILENCE, Postman, postman
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def mail(**changes: Any) -> Message:
    arguments = {"sender": "Stage <stage@example.org>", "to": "ada@example.com", "subject": "Hello", "text": "Curtain."}
    return read_message(uuid.uuid4(), **(arguments | changes))


async def send(server: Postman | int, message: Message | None = None, **settings: Any) -> Receipt:
    port = server if isinstance(server, int) else server.port
    defaults: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 10}
    smtp = SmtpProvider(**(defaults | settings))
    message = message or mail()
    try:
        return await smtp.send(message, message.recipients)
    finally:
        await smtp.close()


async def test_a_mail_arrives_as_it_was_written() -> None:
    """Given a mail with every field, when it is sent, then the server has it, bcc in the envelope only."""
    message = mail(
        to=["Zoë Ångström <zoe@example.com>", "bob@exämple.de"],
        cc='"Smith, John" <john@example.com>',
        bcc="hidden@example.com",
        reply_to="desk@example.org",
        subject="Grüße: the 2nd act",
        text="Line one\n.\n..two dots\nÜmlaut " + "x" * 3000,
        html="<p>Grüße</p>",
        headers={"List-Unsubscribe": f"<https://example.org/{'u' * 200}>"},
    )
    async with postman() as server:
        receipt = await send(server, message)

    [received] = server.received
    assert received.sender == "stage@example.org"
    assert received.recipients == ["zoe@example.com", "bob@xn--exmple-cua.de", "john@example.com", "hidden@example.com"]
    assert receipt.accepted == tuple(received.recipients)
    assert receipt.refused == {}
    assert receipt.message_id == received.mail["Message-ID"] == f"<{message.id}@example.org>"
    assert b"hidden" not in received.content
    assert received.content.isascii()
    assert received.mail["To"] == "Zoë Ångström <zoe@example.com>, bob@xn--exmple-cua.de"
    assert received.mail["Cc"] == '"Smith, John" <john@example.com>'
    assert received.mail["Reply-To"] == "desk@example.org"
    assert received.mail["Subject"] == "Grüße: the 2nd act"
    assert received.mail["List-Unsubscribe"] == f"<https://example.org/{'u' * 200}>"
    assert abs(received.mail["Date"].datetime.timestamp() - time.time()) < 60
    assert received.mail.get_content_type() == "multipart/alternative"
    text, html = received.mail.iter_parts()
    assert text.get_content().splitlines() == message.text.splitlines()
    assert html.get_content().strip() == "<p>Grüße</p>"


async def test_each_mailbox_gets_one_copy() -> None:
    async with postman() as server:
        await send(server, mail(to=["ada@example.com", "Ada <ADA@example.com>"], bcc="ada@EXAMPLE.com"))
    assert server.received[0].recipients == ["ada@example.com"]


async def test_letters_outside_ascii_before_the_at_need_a_server_with_smtputf8() -> None:
    """Given such an address, when the server offers SMTPUTF8 it arrives; when not, the mail is refused for good."""
    message = mail(to="josé@example.com")
    async with postman(enable_SMTPUTF8=True) as server:
        await send(server, message)
    assert server.received[0].recipients == ["josé@example.com"]
    assert server.received[0].mail["To"] == "josé@example.com"

    async with postman(enable_SMTPUTF8=False) as server:
        with pytest.raises(Rejected, match="SMTPUTF8"):
            await send(server, message)
    assert server.received == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 4.3.0 try later", NotSent),
        ("421 4.3.2 closing", NotSent),
        ("550 5.7.1 no", Rejected),
        ("554 5.7.1 spam", Rejected),
    ],
)
@pytest.mark.parametrize("step", ["MAIL", "RCPT ada@example.com", "DATA"])
async def test_a_refusal_means_the_same_at_every_step(step: str, answer: str, error: type[Exception]) -> None:
    async with postman() as server:
        server.answers[step] = [answer]
        with pytest.raises(error, match=answer.partition(" ")[2]):
            await send(server)


async def test_two_refusals_then_ok() -> None:
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["451 4.7.1 greylisted"] * 2
        for _ in range(2):
            with pytest.raises(NotSent, match=r"ada@example\.com: 451 4\.7\.1 greylisted"):
                await send(server)
        assert server.received == []
        receipt = await send(server)
    assert receipt.accepted == ("ada@example.com",)
    assert len(server.received) == 1


async def test_a_partly_refused_list_is_in_the_receipt() -> None:
    """Given three recipients, when one is refused for now and one for good, then the receipt names both refusals."""
    async with postman() as server:
        server.answers["RCPT bob@example.com"] = ["450 4.2.0 mailbox busy"]
        server.answers["RCPT eve@example.com"] = ["550 5.1.1 unknown"]
        receipt = await send(server, mail(to=["ada@example.com", "bob@example.com", "eve@example.com"]))
    assert server.received[0].recipients == ["ada@example.com"]
    assert receipt.as_json() == {
        "provider": "smtp",
        "message_id": receipt.message_id,
        "accepted": ["ada@example.com"],
        "refused": {
            "bob@example.com": {"code": 450, "text": "4.2.0 mailbox busy"},
            "eve@example.com": {"code": 550, "text": "5.1.1 unknown"},
        },
        "reply": "OK",
    }
    assert isinstance(receipt.refusal(), NotSent)  # bob may take it later


@pytest.mark.parametrize(("second", "error"), [("451 busy", NotSent), ("550 unknown", Rejected)])
async def test_when_everybody_is_refused_one_temporary_refusal_makes_it_temporary(
    second: str, error: type[Exception]
) -> None:
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["550 unknown"]
        server.answers["RCPT bob@example.com"] = [second]
        with pytest.raises(error, match=rf"ada@example\.com: 550 unknown; bob@example\.com: {second}"):
            await send(server, mail(to=["ada@example.com", "bob@example.com"]))
    assert server.received == []


async def test_a_recipient_the_server_cannot_verify_is_accepted() -> None:
    async with postman() as server:
        server.answers["RCPT ada@example.com"] = ["252 2.1.5 will try"]
        assert (await send(server)).accepted == ("ada@example.com",)


async def test_a_server_that_hangs_up_between_recipients_has_sent_nothing() -> None:
    async with postman() as server:
        server.answers["RCPT bob@example.com"] = ["421 4.3.2 shutting down"]
        with pytest.raises(NotSent, match=r"421 4\.3\.2 shutting down"):
            await send(server, mail(to=["ada@example.com", "bob@example.com", "eve@example.com"]))
    assert server.received == []


@pytest.mark.parametrize("answer", [DROP, SILENCE, "999 what"])
async def test_without_an_answer_after_the_final_dot_nobody_knows(answer: str) -> None:
    """Given a server that keeps the mail and then drops the connection, is silent or talks nonsense: Ambiguous."""
    async with postman() as server:
        server.answers["DATA"] = [answer]
        with pytest.raises(Ambiguous, match="may have been delivered"):
            await send(server, final_timeout=0.5 if answer == SILENCE else 60)
        await wait_for(lambda: server.received, what="the mail at the server")
        assert len(server.received) == 1


@pytest.mark.parametrize("answer", [DROP, SILENCE])
@pytest.mark.parametrize("step", ["MAIL", "RCPT ada@example.com"])
async def test_without_an_answer_before_the_message_nobody_got_it(step: str, answer: str) -> None:
    async with postman() as server:
        server.answers[step] = [answer]
        with pytest.raises(NotSent):
            await send(server, timeout=0.2)
    assert server.received == []


async def test_the_final_reply_has_a_time_of_its_own() -> None:
    """Given a server that takes longer over the message than a step may take, then the client still waits for it."""
    async with postman() as server:
        server.holds["DATA"] = asyncio.Event()
        asyncio.get_running_loop().call_later(3, server.holds["DATA"].set)
        receipt = await send(server, timeout=2, final_timeout=60)
    assert receipt.accepted == ("ada@example.com",)


async def test_a_server_that_never_greets_times_out() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        started = time.monotonic()
        with pytest.raises(NotSent, match="Timed out"):
            await send(server.sockets[0].getsockname()[1], timeout=0.2)
        assert time.monotonic() - started < 30  # half of what it waits for by default


async def test_a_server_that_is_not_there() -> None:
    async with postman() as gone:
        pass
    with pytest.raises(NotSent, match="SMTP_HOST"):
        await send(gone)


REFUSES_US = {
    "the greeting": {"": "554 No SMTP service here"},
    "EHLO": {"EHLO": "550 Not you"},
    "STARTTLS": {"STARTTLS": "554 No"},
    "a sender without a login": {"MAIL": "530 5.7.0 Authentication required"},
}


@pytest.mark.parametrize("answers", REFUSES_US.values(), ids=REFUSES_US)
async def test_what_is_refused_before_a_recipient_is_named_is_not_the_mail(
    answers: dict[str, str], tmp_path: Path
) -> None:
    """Given a server that refuses us, whatever the mail, then the next provider is asked."""
    offers = "250-here\r\n250 STARTTLS"

    async def unwilling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{answers.get('', '220 here')}\r\n".encode())
        while line := await reader.readline():
            verb = line.split()[0].decode().upper()
            writer.write(f"{answers.get(verb, offers)}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(unwilling, "127.0.0.1", 0) as server:
        settings = Settings(
            smtp_host="127.0.0.1", smtp_port=server.sockets[0].getsockname()[1], email_folder=tmp_path,
            smtp_security="starttls" if "STARTTLS" in answers else "none",
        )  # fmt: skip
        message = mail()
        receipt = await fail_over(settings, ("smtp", "file"), message, message.recipients)
        assert receipt.provider == "file"
        with pytest.raises(ChannelRefused, match=next(reversed(answers.values()))):
            await fail_over(settings, ("smtp",), message, message.recipients)


async def test_a_greeting_of_not_now_is_tried_again() -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 Too many connections, try again in 5 minutes\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(busy, "127.0.0.1", 0) as server:
        with pytest.raises(NotSent) as caught:
            await send(server.sockets[0].getsockname()[1])
    assert caught.value.retry_after == 300


async def test_what_a_server_says_is_made_fit_to_be_stored() -> None:
    """Given a reply with a broken encoding, NUL and endless text, then what is kept is short, printable text."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 \xff\x00\x1b[31mno" + b"o" * 3000 + b"\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(rude, "127.0.0.1", 0) as server:
        with pytest.raises(ChannelRefused, match=r"554 .* \[31mnooo") as caught:
            await send(server.sockets[0].getsockname()[1])
    assert str(caught.value).isprintable()
    assert str(caught.value).encode()
    assert len(str(caught.value)) < 1000


async def test_starttls(authority: Authority) -> None:
    async with postman(tls_context=authority.server("127.0.0.1"), require_starttls=True) as server:
        await send(server, security="starttls", tls=authority.client)
    assert server.received[0].secure


async def test_tls_from_the_first_byte(authority: Authority) -> None:
    async with postman(tls=authority.server("127.0.0.1")) as server:
        await send(server, security="tls", tls=authority.client)
    assert server.received[0].secure


async def test_a_server_that_does_not_offer_starttls_gets_nothing() -> None:
    """Given somebody on the way who strips STARTTLS: no fall-back to plain text."""
    async with postman() as server:
        with pytest.raises(NotSent, match="STARTTLS"):
            await send(server, security="starttls")
    assert server.received == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_another_name_is_refused(authority: Authority, security: str) -> None:
    certificate = authority.server("other.example.com")
    options = {"tls": certificate} if security == "tls" else {"tls_context": certificate}
    async with postman(**options) as server:
        with pytest.raises(NotSent, match=r"certificate|Certificate"):
            await send(server, security=security, tls=authority.client)
    assert server.received == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority, security: str) -> None:
    certificate = authority.server("127.0.0.1")
    options = {"tls": certificate} if security == "tls" else {"tls_context": certificate}
    async with postman(**options) as server:
        with pytest.raises(NotSent, match="SSL_CERT_FILE"):
            await send(server, security=security)  # the system's authorities
    assert server.received == []


async def test_login(authority: Authority) -> None:
    async with postman(tls_context=authority.server("127.0.0.1"), auth_required=True) as server:
        await send(server, security="starttls", tls=authority.client, username="stage", password=SecretStr(PASSWORD))
    assert server.received[0].login == b"stage"


async def test_a_wrong_password_is_final_and_not_shown(authority: Authority) -> None:
    async with postman(tls_context=authority.server("127.0.0.1"), auth_required=True) as server:
        with pytest.raises(Rejected, match="SMTP_PASSWORD") as caught:
            await send(server, security="starttls", tls=authority.client, username="stage", password=SecretStr("wr0ng"))
    assert server.received == []
    assert "wr0ng" not in str(caught.value)


def test_the_password_is_not_in_the_providers_text() -> None:
    assert "s3cret" not in repr(SmtpProvider("mail.example.com", 587, username="stage", password=SecretStr("s3cret")))


async def test_a_cancelled_send_leaves_no_connection() -> None:
    """Given a send that waits for the server, when its task is cancelled, then it ends at once."""
    async with postman() as server:
        server.answers["MAIL"] = [SILENCE]
        task = asyncio.create_task(send(server, timeout=60))
        while not server.connections or server.answers["MAIL"]:
            await asyncio.sleep(0)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 30  # half of what it waits for the server


async def test_connections_are_limited() -> None:
    """Given five mails and two connections, when the server is slow, then three wait their turn and arrive later."""
    async with postman() as server:
        server.holds["RCPT ada@example.com"] = asyncio.Event()
        smtp = SmtpProvider("127.0.0.1", server.port, "none", connections=2)
        messages = [mail() for _ in range(5)]
        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(smtp.send(message, message.recipients))
            await send(server, mail(to="bob@example.com"))  # in the time of a whole mail they open no more
            assert server.connections == 2 + 1
            server.holds["RCPT ada@example.com"].set()
        await smtp.close()
    assert len(server.received) == 5 + 1


async def test_one_connection_carries_one_mail_after_the_other() -> None:
    async with postman() as server:
        smtp = SmtpProvider("127.0.0.1", server.port, "none")
        for message in [mail() for _ in range(5)]:
            await smtp.send(message, message.recipients)
        await smtp.close()
    assert (len(server.received), server.connections) == (5, 1)


@pytest.mark.parametrize("answer", [DROP, "421 4.4.2 idle for too long"])
async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(answer: str) -> None:
    """Given a server that hangs up on a connection that waited, when the next mail is sent, then it goes over a new one
    and arrives once."""
    async with postman() as server:
        smtp = SmtpProvider("127.0.0.1", server.port, "none")
        first, second = mail(), mail()
        await smtp.send(first, first.recipients)
        server.answers["MAIL"] = [answer]
        await smtp.send(second, second.recipients)
        await smtp.close()
    assert (len(server.received), server.connections) == (2, 2)


async def test_a_connection_on_which_something_went_wrong_is_not_used_again() -> None:
    async with postman() as server:
        smtp = SmtpProvider("127.0.0.1", server.port, "none")
        server.answers["RCPT ada@example.com"] = ["550 5.7.1 no"]
        for message, error in ((mail(), Rejected), (mail(), None)):
            with pytest.raises(error) if error else nullcontext():
                await smtp.send(message, message.recipients)
        await smtp.close()
    assert (len(server.received), server.connections) == (1, 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("451 4.7.1 Greylisted, try again in 300 seconds", 300),
        ("450 4.2.0 please retry after 5 minutes", 300),
        ("421 4.7.0 wait 2h", 7200),
        ("451 4.3.0 Try again later", None),
        ("550 5.7.1 try again in 300 seconds", None),
    ],
)
async def test_a_server_says_when_it_wants_to_be_asked_again(text: str, seconds: float | None) -> None:
    async with postman() as server:
        server.answers["MAIL"] = [text]
        with pytest.raises(DeliveryError) as caught:
            await send(server)
    assert getattr(caught.value, "retry_after", None) == seconds


def test_the_settings_make_the_provider(tmp_path: Path) -> None:
    settings = Settings(
        callboard_home=tmp_path, email_provider=("smtp",), smtp_host="mail.example.com", smtp_username="stage",
        smtp_password=SecretStr(PASSWORD), smtp_port=465, smtp_security="tls", smtp_timeout=5, smtp_final_timeout=300,
        smtp_connections=7,
    )  # fmt: skip
    assert provider(settings, "smtp") == SmtpProvider(
        "mail.example.com", 465, "tls", "stage", SecretStr(PASSWORD), timeout=5, final_timeout=300, connections=7
    )


def test_a_password_never_travels_in_clear_text(tmp_path: Path) -> None:
    settings = Settings(
        callboard_home=tmp_path, email_provider=("smtp",), smtp_host="mail.example.com", smtp_username="stage",
        smtp_password=SecretStr(PASSWORD), smtp_security="none",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="SMTP_SECURITY"):
        provider(settings, "smtp")


def test_certificates_are_checked_by_default() -> None:
    context = SmtpProvider("mail.example.com", 587)._client().tls_context
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
