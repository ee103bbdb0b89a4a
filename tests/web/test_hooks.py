"""What others call without a key: SendGrid's and Amazon's events, and readers who leave a list."""

import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from pydantic import HttpUrl
from sqlalchemy import select

from db.models import Job, Suppression
from errors import NotSent
from providers.email.unsubscribe import Leaving, token_of, unsubscribe_headers
from runtime.client import Client
from runtime.ids import uuid7
from settings import Settings
from tests.web.callers import assert_problem, caller, started

TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
AMAZON_KEY = rsa.generate_private_key(65537, 2048)


class FixedCertificates:
    """A double: has one certificate, for one address."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(AMAZON_KEY.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(AMAZON_KEY, hashes.SHA256())
        )
        self._pem = made.public_bytes(serialization.Encoding.PEM)

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url != CERTIFICATE:
            raise NotSent("There is no such certificate.")
        return self._pem


@pytest_asyncio.fixture
async def hooked(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, with the keys of both providers, and a double in place of Amazon's certificates."""
    public = SENDGRID_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    update = {
        "sendgrid_webhook_key": base64.b64encode(public).decode(),
        "ses_topics": (TOPIC,),
        "public_url": HttpUrl("https://jobs.example.com"),
    }
    async with started(settings.model_copy(update=update)) as app:
        store = FixedCertificates()
        app.state.sns_certificates = store  # where the application keeps its own
        yield app


@pytest_asyncio.fixture
async def world(hooked: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(hooked, httpx.Headers()) as world:
        yield world


def signed(body: bytes, at: float | None = None) -> dict[str, str]:
    moment = str(int(at or time.time()))
    signature = SENDGRID_KEY.sign(moment.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": moment,
        "Content-Type": "application/json",
    }


def happened(number: int) -> dict[str, Any]:
    return {"email": f"{number}@example.com", "event": "delivered", "timestamp": 1600112492,
            "sg_event_id": f"e{number}", "email_id": str(uuid7()), "response": "250 OK " + "x" * 300}  # fmt: skip


async def jobs_of(client: Client, actor: str) -> list[Job]:
    async with client.session() as session:
        return list(await session.scalars(select(Job).where(Job.actor == actor)))


async def test_a_thousand_events_of_sendgrid_become_jobs(world: httpx.AsyncClient, client: Client) -> None:
    """Given a request as large as SendGrid makes them, when it comes, then the answer is short and its jobs exist."""
    body = orjson.dumps([happened(number) for number in range(1000)])
    response = await world.post("/webhook/sendgrid", content=body, headers=signed(body))
    assert (response.status_code, response.content) == (204, b"")
    jobs = await jobs_of(client, "record_email_events")
    assert sum(len(job.args[0]) for job in jobs) == 1000
    assert len(jobs) > 1
    assert jobs[0].args[0][0]["type"] == "delivered"


@pytest.mark.parametrize("change", ["body", "signature", "old", "none"])
async def test_events_that_sendgrid_did_not_sign_are_refused(
    world: httpx.AsyncClient, client: Client, change: str
) -> None:
    body = orjson.dumps([happened(1)])
    headers = signed(body, time.time() - 700 if change == "old" else None)
    if change == "signature":
        headers["X-Twilio-Email-Event-Webhook-Signature"] = "AAAA"
    sent = body + b" " if change == "body" else body
    response = await world.post("/webhook/sendgrid", content=sent, headers={} if change == "none" else headers)
    assert_problem(response, 403)
    assert await jobs_of(client, "record_email_events") == []


async def test_signed_nonsense_is_refused(world: httpx.AsyncClient) -> None:
    for body in (b"no json", b"{}", orjson.dumps([{"email": "a@example.com"}] * 1001)):
        assert_problem(await world.post("/webhook/sendgrid", content=body, headers=signed(body)), 422)


async def test_a_body_over_two_mebibytes_is_not_read(world: httpx.AsyncClient) -> None:
    assert_problem(await world.post("/webhook/sendgrid", content=b" " * (2 * 1024 * 1024 + 1)), 413)


async def test_without_keys_no_events_are_taken(stranger: httpx.AsyncClient) -> None:
    assert_problem(await stranger.post("/webhook/sendgrid", content=b"[]"), 404)
    assert_problem(await stranger.post("/webhook/ses", content=b"{}"), 404)


def told(kind: str = "Notification", **changes: Any) -> dict[str, Any]:
    """What SNS sends, signed by its key."""
    event = {"eventType": "Delivery", "mail": {"messageId": "ses-1", "destination": ["ada@example.com"]},
             "delivery": {"recipients": ["ada@example.com"], "smtpResponse": "250 OK"}}  # fmt: skip
    said = {
        "Type": kind, "MessageId": "m-1", "TopicArn": TOPIC, "Message": json.dumps(event),
        "Timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    }  # fmt: skip
    if kind != "Notification":
        url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn&Token=1"
        said |= {"Token": "1", "SubscribeURL": url, "Message": "You have chosen"}
    said |= changes
    order = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{said[name]}\n" for name in order if name in said)
    algorithm = hashes.SHA1() if said["SignatureVersion"] == "1" else hashes.SHA256()
    signature = AMAZON_KEY.sign(text.encode(), padding.PKCS1v15(), algorithm)
    return said | {"Signature": base64.b64encode(signature).decode()}


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_event_of_ses_becomes_a_job(world: httpx.AsyncClient, client: Client, version: str) -> None:
    response = await world.post("/webhook/ses", json=told(SignatureVersion=version))
    assert response.status_code == 204
    [job] = await jobs_of(client, "record_email_events")
    assert (job.args[0][0]["type"], job.args[0][0]["provider_id"]) == ("delivered", "ses-1")


async def test_a_subscription_is_confirmed_by_a_job(world: httpx.AsyncClient, client: Client) -> None:
    response = await world.post("/webhook/ses", json=told("SubscriptionConfirmation"))
    assert response.status_code == 204
    [job] = await jobs_of(client, "confirm_ses_topic")
    assert job.args[0].startswith("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&")


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:eu-central-1:999999999999:mail"},
        {"Timestamp": "2020-01-01T00:00:00Z"},
        {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "http://169.254.169.254/SimpleNotificationService-1.pem"},
        {"SignatureVersion": "3"},
        {"Type": "Else"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_sns_would_not_send_is_refused_and_nothing_is_fetched(
    hooked: FastAPI, world: httpx.AsyncClient, client: Client, changes: dict[str, str]
) -> None:
    assert_problem(await world.post("/webhook/ses", json=told(**changes)), 403)
    assert hooked.state.sns_certificates.asked in ([], [CERTIFICATE])
    assert await jobs_of(client, "record_email_events") == []


async def test_a_message_changed_on_the_way_is_refused(world: httpx.AsyncClient) -> None:
    said = told() | {"Message": "{}"}
    assert_problem(await world.post("/webhook/ses", json=said), 403)
    assert_problem(await world.post("/webhook/ses", json=told() | {"Signature": "no base64!"}), 403)


async def test_a_confirmation_that_leads_elsewhere_is_not_visited(world: httpx.AsyncClient, client: Client) -> None:
    said = told("SubscriptionConfirmation", SubscribeURL="http://169.254.169.254/latest/meta-data")
    assert_problem(await world.post("/webhook/ses", json=said), 403)
    assert await jobs_of(client, "confirm_ses_topic") == []


async def test_one_click_leaves_a_list_and_looking_does_not(
    hooked: FastAPI, world: httpx.AsyncClient, client: Client
) -> None:
    """Given the link in a mail, when a scanner opens it nothing happens; when a mail program posts to it, the reader
    gets no more of that list (RFC 8058), the second time as the first."""
    headers = unsubscribe_headers(hooked.state.settings, uuid7(), "ada@example.com", "news")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = headers["List-Unsubscribe"].strip("<>").removeprefix("https://jobs.example.com")

    page = await world.get(path)
    assert page.status_code == 200
    assert "ada@example.com" in page.text
    async with client.session() as session:
        assert list(await session.scalars(select(Suppression))) == []

    for _ in range(2):
        one_click = {"List-Unsubscribe": "One-Click"}
        assert (await world.post(path, data=one_click)).status_code == 200
    async with client.session() as session:
        [entry] = await session.scalars(select(Suppression))
    assert (entry.address, entry.reason, entry.mailing_list) == ("ada@example.com", "unsubscribe", "news")


async def test_a_link_that_is_not_ours_takes_nobody_off(
    hooked: FastAPI, world: httpx.AsyncClient, client: Client
) -> None:
    token = token_of(hooked.state.settings, Leaving("ada@example.com", "news", uuid7()))
    said, _, proof = token.partition(".")
    for wrong in (said, f"{said}.", f"{said}.{proof[:-2]}", f"A{token}", "x", f"{said}.ü", "a" * 5000):
        response = await world.post(f"/unsubscribe/{wrong}")
        assert response.status_code == 404, wrong
        assert (await world.get(f"/unsubscribe/{wrong}")).status_code == 404
    async with client.session() as session:
        assert list(await session.scalars(select(Suppression))) == []
