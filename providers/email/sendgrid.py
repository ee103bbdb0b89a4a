"""Sends e-mail through SendGrid's API (v3/mail/send).

SendGrid's own package writes the request; sending it is ours, since the package's client has no time-out, follows
redirects with the key in hand, and says nothing about whether a request that failed has left.
"""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from functools import cached_property
from typing import Any

import orjson
from pydantic import SecretStr
from sendgrid.helpers.mail import (
    Attachment,
    Bcc,
    Category,
    Cc,
    Content,
    CustomArg,
    Disposition,
    Email,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    Personalization,
    ReplyTo,
    To,
)

from errors import Ambiguous, BadArguments, ChannelClosed, ChannelRefused, ConfigurationError, NotSent, Rejected
from providers import http
from providers.email.gate import Gate
from providers.email.message import Message
from providers.email.receipt import Receipt, Reply
from settings import Settings

PATH = "/v3/mail/send"
ID = "email_id"  # our own id of a mail, in what its events bring back
DEADLINE = 30.0  # seconds for a request
CONNECTIONS = 50  # requests at once per worker process
MOST_REPLY = 16 * 1024  # bytes

_ACCOUNT = frozenset({401, 403})
_ELSEWHERE = frozenset({404, 405})
_GATEWAY = frozenset({502, 504})  # somebody between us lost the answer


@dataclass(frozen=True)
class SendGridProvider:
    """For one event loop."""

    client: http.GuardedClient
    key: SecretStr = field(repr=False)
    url: str = "https://api.sendgrid.com"
    name: str = "sendgrid"

    @classmethod
    def of(cls, settings: Settings) -> "SendGridProvider":
        if settings.sendgrid_api_key is None:
            raise ConfigurationError("SENDGRID_API_KEY is not set. Make a key that may send mail, and set it.")
        return cls(http.client(settings), settings.sendgrid_api_key, settings.sendgrid_url.rstrip("/"))

    @cached_property
    def _gate(self) -> Gate:
        return Gate(CONNECTIONS)

    async def send(self, message: Message, recipients: Sequence[str], progress: http.Progress | None = None) -> Receipt:
        async with self._gate:
            response = await self._post(orjson.dumps(request_of(message, recipients)), progress)
            if not response.is_success:
                raise self._refused(response)
        own_id = response.header("X-Message-Id")
        return Receipt(self.name, message.message_id, tuple(recipients), {}, own_id or "", own_id)

    async def _post(self, body: bytes, progress: http.Progress | None) -> http.Response:
        try:
            return await self.client.request(
                "POST",
                self.url + PATH,
                headers={
                    "Authorization": f"Bearer {self.key.get_secret_value()}",
                    "Content-Type": "application/json",
                },
                body=body,
                deadline=DEADLINE,
                most=MOST_REPLY,
                progress=progress,
            )
        except (BadArguments, Rejected) as error:
            raise ChannelRefused(
                f"SENDGRID_URL or SENDGRID_API_KEY cannot be used: {error}", code="settings"
            ) from error

    def _refused(self, response: http.Response) -> NotSent | Ambiguous | Rejected:
        reply = Reply.of(response.status, response.text)
        if response.status == 429 or response.status >= 500:
            said = f"SendGrid said: {reply}."
            if response.status in _GATEWAY:
                return Ambiguous(f"{said} The e-mail may have been taken.", code=f"http_{response.status}")
            return NotSent(said, _seconds(response), code=f"http_{response.status}")
        if response.status in _ACCOUNT and _names_a_field(response):
            return ChannelRefused(f"SendGrid does not let us send such an e-mail: {reply}.", code="account")
        if response.status in _ACCOUNT:
            return ChannelClosed(
                f"SendGrid refused SENDGRID_API_KEY: {reply}. Check that it is valid and may send mail.", code="account"
            )
        if 300 <= response.status < 400 or response.status in _ELSEWHERE:
            return ChannelRefused(
                f"SENDGRID_URL does not lead to SendGrid's API: its answer to {PATH} is {reply}.", code="settings"
            )
        return Rejected(f"SendGrid refused the e-mail: {reply}.", code=f"http_{response.status}")


def _names_a_field(response: http.Response) -> bool:
    """Whether it is a part of this mail that it refuses: `from`, where the sender is none of the account's."""
    try:
        errors = orjson.loads(response.body)["errors"]
        return any(error["field"] for error in errors)
    except (ValueError, LookupError, TypeError):
        return False


def _seconds(response: http.Response) -> float | None:
    """What SendGrid wants us to wait: Retry-After, or the moment at which its count starts anew."""
    asked = http.retry_after(response.header("Retry-After"), datetime.now(UTC))
    if asked is not None:
        return asked
    reset = response.header("X-RateLimit-Reset") or ""
    return max(0.0, float(reset) - time.time()) if reset.isdecimal() and len(reset) < 12 else None


def request_of(message: Message, recipients: Sequence[str]) -> dict[str, Any]:
    """The body of the request. Nothing of it may be a person's name or address but the addresses: SendGrid keeps
    categories and custom arguments for ever."""
    mail = Mail(from_email=_email(message.sender), subject=message.subject)
    for personalization in _personalizations(message, recipients):
        mail.add_personalization(personalization)
    if message.reply_to:
        mail.reply_to_list = [ReplyTo(a.addr_spec, a.display_name or None) for a in message.reply_to]
    mail.add_content(Content("text/plain", message.text or " "))  # the text must be the first
    if message.html is not None:
        mail.add_content(Content("text/html", message.html))
    mail.add_header(Header("Message-ID", message.message_id))
    for name, value in message.headers.items():
        mail.add_header(Header(name, value))
    for tag in message.tags[:10]:
        mail.add_category(Category(tag[:255]))
    mail.add_custom_arg(CustomArg(ID, str(message.id)))
    for file in message.attachments:
        mail.add_attachment(
            Attachment(
                FileContent(base64.b64encode(file.content).decode()),
                FileName(file.name),
                FileType(file.type),
                Disposition("attachment"),
            )
        )
    body: dict[str, Any] = mail.get()
    return body


def _personalizations(message: Message, recipients: Sequence[str]) -> list[Personalization]:
    """To whom it goes. SendGrid wants somebody in `to`: if nobody there is left, the first of cc, whom everybody may
    see, takes the place; those of bcc, who are to learn of nobody, each get a copy of their own."""
    left = set(recipients)
    to, cc, bcc = (_taken(addresses, left) for addresses in (message.to, message.cc, message.bcc))
    if not to:
        to, cc = cc[:1], cc[1:]
    if not to:
        return [_personalization([(To, [address])]) for address in bcc]
    return [_personalization([(To, to), (Cc, cc), (Bcc, bcc)])]


def _taken(addresses: Sequence[Address], left: set[str]) -> list[Address]:
    """Those of them that are left, each mailbox once, or SendGrid refuses the whole mail."""
    taken = []
    for address in addresses:
        if address.addr_spec in left:
            left.discard(address.addr_spec)
            taken.append(address)
    return taken


def _personalization(kinds: Sequence[tuple[type[Email], Sequence[Address]]]) -> Personalization:
    made = Personalization()
    for kind, addresses in kinds:
        for address in addresses:
            made.add_email(kind(address.addr_spec, address.display_name or None))
    return made


def _email(address: Address) -> Email:
    return Email(address.addr_spec, address.display_name or None)
