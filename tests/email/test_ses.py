"""Amazon SES: against moto's server, and against servers that fail as they like; each mail is one request."""

import base64
import email
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from email.policy import default
from email.utils import formatdate
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from errors import Ambiguous, ChannelClosed, ChannelRefused, NotSent, Rejected
from providers.email import Message, Receipt, read_message
from providers.email.ses import SesProvider
from providers.http import Destinations, GuardedClient, Networks
from tests.http.hostile import answer, receiver


def mail(**changes: Any) -> Message:
    arguments = {"sender": "Stage <stage@example.org>", "to": "ada@example.com", "subject": "Hello", "text": "Curtain."}
    return read_message(uuid.uuid4(), **(arguments | changes))


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way boto3 finds them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def amazon() -> Iterator[tuple[str, Any]]:
    """Moto's server, and its SES, in which stage@example.org is verified."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    ses = get_backend("ses")["123456789012"]["eu-central-1"]
    ses.reset()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("sesv2", region_name="eu-central-1", endpoint_url=url)
    client.create_email_identity(EmailIdentity="stage@example.org")
    yield url, ses
    server.stop()


async def send(url: str, message: Message | None = None, **options: Any) -> Receipt:
    message = message or mail()
    client = GuardedClient(Destinations(frozenset({"http"}), None, Networks(["127.0.0.0/8"])))
    try:
        return await SesProvider(client, "eu-central-1", url, **options).send(message, message.recipients)
    finally:
        await client.close()


async def test_a_mail_arrives_whole(amazon: tuple[str, Any]) -> None:
    """Given a verified sender, when a mail is sent, then SES has it, everybody in the envelope, our id in a header."""
    message = mail(cc="bob@example.com", bcc="hidden@example.com")
    url, ses = amazon
    receipt = await send(url, message)
    [sent] = ses.sent_messages
    assert sent.id == receipt.provider_id
    assert receipt.accepted == ("ada@example.com", "bob@example.com", "hidden@example.com")
    assert set(sent.destinations) == set(receipt.accepted)
    assert f"X-Callboard-Email: {message.id}" in sent.raw_data


async def test_an_unverified_sender_is_refused_for_good(amazon: tuple[str, Any]) -> None:
    url, ses = amazon
    with pytest.raises(Rejected, match=r"MessageRejected|not verified"):
        await send(url, mail(sender="stranger@example.net"))
    assert ses.sent_messages == []


async def test_the_request_is_signed_for_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given keys of a role, then the signature is what AWS makes of the request that arrived (Signature Version 4),
    its body and the role's token included."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-role")
    async with receiver() as here:
        await send(here.url(""))
    [request] = here.received
    assert request.headers["x-amz-security-token"] == "of-a-role"
    date = request.headers["x-amz-date"]
    scope = f"{date[:8]}/eu-central-1/ses/aws4_request"
    signed = "content-type;host;x-amz-date;x-amz-security-token"
    assert f"Credential=testing/{scope}, SignedHeaders={signed}, Signature=" in request.headers["authorization"]
    digest = hashlib.sha256(request.body).hexdigest()
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in signed.split(";"))
    canonical = f"POST\n{request.path}\n\n{lines}\n{signed}\n{digest}"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4testing"
    for part in (*scope.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    assert request.headers["authorization"].endswith(f"Signature={key.hex()}")


async def test_the_request_names_the_mail_and_its_envelope() -> None:
    message = mail(bcc="hidden@example.com")
    async with receiver() as here:
        here.answers = [answer(200, "Content-Type: application/json\r\n", b'{"MessageId": "ses-1"}')]
        receipt = await send(here.url("/scripted"), message, configuration_set="events")
    [request] = here.received
    body = json.loads(request.body)
    assert body["EmailTags"] == [{"Name": "email_id", "Value": str(message.id)}]
    assert body["ConfigurationSetName"] == "events"
    assert body["Destination"] == {"ToAddresses": ["ada@example.com", "hidden@example.com"]}
    sent = email.message_from_bytes(base64.b64decode(body["Content"]["Raw"]["Data"]), policy=default)
    assert sent["X-Callboard-Email"] == str(message.id)
    assert b"hidden" not in sent.as_bytes()
    assert receipt.provider_id == "ses-1"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "MessageRejected", Rejected), (400, "BadRequestException", Rejected),
        (429, "TooManyRequestsException", NotSent), (400, "LimitExceededException", NotSent),
        (400, "SendingPausedException", ChannelClosed), (400, "AccountSuspendedException", ChannelClosed),
        (403, "InvalidClientTokenId", ChannelClosed), (400, "MailFromDomainNotVerifiedException", ChannelRefused),
        (500, "InternalFailure", NotSent), (503, "ServiceUnavailable", NotSent), (504, "GatewayTimeout", Ambiguous),
    ],
)  # fmt: skip
async def test_what_each_answer_means_and_that_it_is_asked_for_once(
    status: int, code: str, error: type[Exception]
) -> None:
    async with receiver() as here:
        headers = f"x-amzn-ErrorType: {code}\r\nContent-Type: application/json\r\n"
        here.answers = [answer(status, headers, b'{"message": "no"}')]
        with pytest.raises(error) as caught:
            await send(here.url("/scripted"))
        assert type(caught.value) is error
        assert len(here.received) == 1


async def test_a_date_says_how_long_ses_wants_us_to_wait() -> None:
    async with receiver() as here:
        here.answers = [answer(429, f"Retry-After: {formatdate(time.time() + 9000, usegmt=True)}\r\n")]
        with pytest.raises(NotSent) as caught:
            await send(here.url("/scripted"))
    assert caught.value.retry_after is not None
    assert 5000 <= caught.value.retry_after <= 9000


async def test_a_lost_answer_is_ambiguous_and_asked_for_once() -> None:
    async with receiver() as here:
        with pytest.raises(Ambiguous):
            await send(here.url("/reset"))
        assert len(here.received) == 1


async def test_nobody_there_is_not_sent() -> None:
    async with receiver() as gone:
        pass
    with pytest.raises(NotSent):
        await send(gone.url("/"))


async def test_without_keys_the_channel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with receiver() as here:
        with pytest.raises(ChannelClosed):
            await send(here.url("/scripted"))
    assert here.received == []
