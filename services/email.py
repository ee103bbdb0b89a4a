"""What callers may ask of e-mail."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from actors.email import send_email
from providers.email import default_sender, read_message
from runtime.ids import uuid7
from services.jobs import Enqueued, Options, enqueue_with
from settings import settings


async def send(
    session: AsyncSession,
    *,
    to: str | list[str] | None = None,
    subject: str,
    text: str,
    html: str | None = None,
    cc: str | list[str] | None = None,
    bcc: str | list[str] | None = None,
    reply_to: str | list[str] | None = None,
    sender: str | None = None,
    headers: dict[str, str] | None = None,
    options: Options | None = None,
) -> Enqueued:
    """Enqueue an e-mail in the caller's transaction; it leaves after the commit.

    Addresses are `ada@example.com` or `Ada Lovelace <ada@example.com>`, at most 100 in all. They are checked for their
    form only: no DNS. `sender` is EMAIL_FROM unless given. The job retries three times from 60 s on; `options` say
    otherwise, or when it is to leave. What a mail with refused recipients means: actors/email.py.

    Raises BadArguments, its `path` naming the wrong argument (`to[3]`, `headers.X-Id`), and TooLarge over 256 KiB.
    """
    optional = {"html": html, "cc": cc, "bcc": bcc, "reply_to": reply_to, "sender": sender, "headers": headers}
    arguments: dict[str, Any] = {"to": to, "subject": subject, "text": text}
    arguments |= {name: value for name, value in optional.items() if value}
    read_message(uuid7(), **{**arguments, "sender": sender or default_sender(settings())})
    return await enqueue_with(session, options or Options(), send_email, **arguments)
