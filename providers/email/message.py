"""The e-mail as every provider gets it: checked once, and its MIME form."""

import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from errors import BadArguments
from providers.email.address import read_address, read_addresses, read_line
from providers.email.attachment import Attachment, read_attachments
from providers.email.headers import SEVEN_BIT, address_header, text_header

MOST_RECIPIENTS = 100  # what every SMTP server must take in one envelope (RFC 5321, section 4.5.3.1.8)
MOST_HEADERS = 50

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,70}")
# Written by us, by the servers on the way, or by what signs the mail; none of them may be forged or doubled.
_OWN_HEADERS = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "sender", "mime-version"}
    | {"return-path", "received", "dkim-signature"}
)


@dataclass(frozen=True, kw_only=True)
class Message:
    """An e-mail. `id` stays the same over all attempts, so a doubled mail can be told by its Message-ID."""

    id: uuid.UUID
    sender: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str
    text: str
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[str, ...] = ()  # for the provider's own statistics: they stand in no header

    @property
    def message_id(self) -> str:
        return f"<{self.id}@{self.sender.domain}>"

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who gets it: to, cc and bcc, each mailbox once."""
        mailboxes: dict[str, str] = {}
        for address in self._everybody():
            mailboxes.setdefault(address.addr_spec.lower(), address.addr_spec)
        return tuple(mailboxes.values())

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address has a part before the @ that only servers with SMTPUTF8 (RFC 6531) can carry.

        Domains are no reason: they travel in their ASCII form.
        """
        return not all(a.addr_spec.isascii() for a in (self.sender, *self.reply_to, *self._everybody()))

    def with_headers(self, headers: Mapping[str, str]) -> "Message":
        """The same with these, which take the place of those of the same name."""
        names = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in names}
        return replace(self, headers={**kept, **headers})

    def as_bytes(self) -> bytes:
        """The MIME form. Bcc stands nowhere in it."""
        mail = EmailMessage(SEVEN_BIT.clone(utf8=self.needs_smtputf8))
        mail["From"] = address_header([self.sender])
        mail["To"] = address_header(self.to) or "undisclosed-recipients:;"
        if self.cc:
            mail["Cc"] = address_header(self.cc)
        if self.reply_to:
            mail["Reply-To"] = address_header(self.reply_to)
        mail["Subject"] = text_header(self.subject)
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = self.message_id
        for name, value in self.headers.items():
            mail[name] = text_header(value)
        mail.set_content(self.text)
        if self.html is not None:
            mail.make_alternative(_boundary())
            mail.add_alternative(self.html, subtype="html")
        if self.attachments:
            mail.make_mixed(_boundary())
        for attachment in self.attachments:
            attachment.add_to(mail)
        return mail.as_bytes()

    def _everybody(self) -> tuple[Address, ...]:
        return self.to + self.cc + self.bcc


def read_message(
    id_: uuid.UUID,
    *,
    sender: object,
    to: object,
    subject: object,
    text: object,
    html: object = None,
    cc: object = None,
    bcc: object = None,
    reply_to: object = None,
    headers: object = None,
    attachments: object = None,
) -> Message:
    """Make a message of arguments that may be anything. Raises BadArguments, its `path` naming the wrong one."""
    message = Message(
        id=id_,
        sender=read_address(sender, "sender"),
        to=read_addresses(to, "to"),
        cc=read_addresses(cc, "cc"),
        bcc=read_addresses(bcc, "bcc"),
        reply_to=read_addresses(reply_to, "reply_to"),
        subject=read_line(subject, "subject"),
        text=_read_body(text, "text"),
        html=None if html is None else _read_body(html, "html"),
        headers=_read_headers(headers),
        attachments=read_attachments(attachments),
    )
    if not message.recipients:
        raise BadArguments("The e-mail has no recipient. Name at least one in `to`, `cc` or `bcc`.", "to")
    if len(message.recipients) > MOST_RECIPIENTS:
        raise BadArguments(
            f"The e-mail has {len(message.recipients)} recipients; the limit is {MOST_RECIPIENTS}. "
            "Send several e-mails, best one to each recipient.",
            "to",
        )
    return message


def _boundary() -> str:
    """Between the parts. Nobody can guess it, so it stands in none of them; the standard library would look."""
    return f"=_{secrets.token_hex(16)}"


def _read_body(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise BadArguments(f"{path} is of type {type(value).__name__}. Pass text.", path)
    if "\0" in value:
        raise BadArguments(f"{path} contains a NUL character. Remove it.", path)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadArguments(f"{path} contains half of a surrogate pair: it is not valid Unicode.", path) from None
    return value


def _read_headers(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > MOST_HEADERS:
        raise BadArguments(
            f"headers is not a mapping of at most {MOST_HEADERS} names to texts. Pass a dict.", "headers"
        )
    for name in value:
        _check_header_name(name)
    return {name: read_line(text, f"headers.{name}") for name, text in value.items()}


def _check_header_name(name: object) -> None:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise BadArguments(f"{str(name)[:80]!r} is no header's name. Use letters, digits and hyphens.", "headers")
    if name.lower() in _OWN_HEADERS or name.lower().startswith(("content-", "resent-")):
        raise BadArguments(
            f"The header {name} cannot be set. Use the argument of that name, or another header.", f"headers.{name}"
        )
