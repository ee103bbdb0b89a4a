"""An e-mail on its way to a provider: checked when it is asked for, kept in its row, written when it leaves."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from errors import BadArguments, ConfigurationError, TooLarge
from providers.email.address import MOST_LINE, read_address, read_line
from providers.email.message import Message, read_message
from providers.email.unsubscribe import NO_PUBLIC_URL, unsubscribe_headers
from settings import Settings

MOST_CONTENT = 256 * 1024  # bytes of JSON, attachments not counted: as much as a job's arguments may be

_IN_TEMPLATE = {"subject", "text", "html"}


@dataclass(frozen=True)
class Draft:
    """A mail as it stands in its row. `content` has what the caller gave: addresses, words, headers, files, data."""

    content: Mapping[str, Any]
    subject: str
    template: str | None
    mailing_list: str | None
    tags: tuple[str, ...]

    def write(self, email_id: uuid.UUID, settings: Settings, *, finished: bool = True) -> Message:
        """The message. Raises BadArguments, and ConfigurationError where the settings lack what it takes."""
        parts = {name: self.content.get(name) for name in ("to", "cc", "bcc", "reply_to", "headers", "attachments")}
        subject, text, html = self.subject, self.content.get("text"), self.content.get("html")
        if self.template is not None:
            from providers.email.templates import templates  # Jinja and lxml: a worker without such mails does without

            written = templates(settings.email_templates).write(
                self.template, self.content.get("data") or {}, finished=finished
            )
            subject, text, html = self.subject or written.subject, written.text, written.html
        elif text is None and html is not None:
            from providers.email.templates import plain_text

            text = plain_text(html) if finished and isinstance(html, str) else ""
        sender = self.content.get("sender") or default_sender(settings)
        message = replace(
            read_message(email_id, sender=sender, subject=subject, text=text, html=html, **parts),
            tags=self.tags,
        )
        if self.mailing_list is None:
            return message
        if len(message.recipients) != 1:
            raise BadArguments(
                "A mail of a mailing list goes to one address: the link to leave the list is that reader's own. "
                "Send one to each, all at once with send_bulk.",
                "to",
            )
        own = unsubscribe_headers(settings, email_id, message.recipients[0], self.mailing_list)
        return message.with_headers(own)


def read_draft(
    settings: Settings,
    content: Mapping[str, Any],
    *,
    subject: str | None = None,
    template: str | None = None,
    mailing_list: str | None = None,
    tags: Sequence[str] = (),
) -> tuple[Draft, Message]:
    """Check a mail. Raises BadArguments naming what is wrong, and TooLarge.

    The message is what it will be, but for its id, and for styles and a text that are made when it leaves.
    """
    content = {name: value for name, value in content.items() if value}
    if template is None:
        if not {"text", "html"} & set(content):
            raise BadArguments("The e-mail has no words. Give `text`, `html` or `template`.", "text")
        if "data" in content:
            raise BadArguments("`data` is for a template, and none is given.", "data")
        if subject is None:
            raise BadArguments("The e-mail has no subject.", "subject")
    elif _IN_TEMPLATE & set(content):
        raise BadArguments("Give either a template or text and html, not both.", "template")
    if mailing_list is not None and not 0 < len(read_line(mailing_list, "mailing_list")) <= 100:
        raise BadArguments("mailing_list is not a name of at most 100 characters.", "mailing_list")
    if mailing_list is not None and settings.public_url is None:
        raise BadArguments(NO_PUBLIC_URL, "mailing_list")
    draft = Draft(content, subject or "", template, mailing_list, tuple(tags))
    message = draft.write(uuid.uuid4(), settings, finished=False)
    if template is not None and len(message.subject.encode()) > MOST_LINE:
        raise BadArguments(f"The template's subject is longer than {MOST_LINE} bytes.", "template")
    size = len(orjson.dumps({name: value for name, value in content.items() if name != "attachments"}))
    if size > MOST_CONTENT:
        raise TooLarge("The words of the e-mail", size, MOST_CONTENT)
    return draft, message


def default_sender(settings: Settings) -> str:
    """Who e-mails come from that name no sender. Raises ConfigurationError."""
    try:
        read_address(settings.email_from, "EMAIL_FROM")
    except BadArguments as error:
        raise ConfigurationError(str(error)) from None
    return settings.email_from
