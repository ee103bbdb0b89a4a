"""Which provider a mail leaves by: the one asked for, else that of its tag, else EMAIL_PROVIDER; with others behind it
for when it does not take it."""

from collections.abc import Sequence
from functools import cache

import structlog

from errors import BadArguments, ChannelClosed, ChannelRefused, ConfigurationError, NotSent
from providers.email.base import Provider
from providers.email.file import FileProvider
from providers.email.message import Message
from providers.email.receipt import Receipt
from providers.email.smtp import SmtpProvider
from providers.http import Progress
from settings import Settings

PROVIDERS = ("file", "smtp", "sendgrid", "ses")
TELLING = frozenset({"sendgrid", "ses"})  # they tell later, by events, what became of a mail
MOST_OF_SES = 50  # recipients that SES takes in one request

log = structlog.get_logger("callboard")


def asked_for(provider: str | None) -> tuple[str, ...] | None:
    """The providers that a caller names, in turn: "smtp, sendgrid". Raises BadArguments for one that does not exist."""
    if provider is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in provider.split(",")))
    for name in names:
        if name not in PROVIDERS:
            raise BadArguments(f"There is no provider {name[:50]!r}; there are: {', '.join(PROVIDERS)}.", "provider")
    return names


def route(settings: Settings, asked: Sequence[str] | None, tags: Sequence[str]) -> tuple[str, ...]:
    """The providers to try, in order. Decided when the mail leaves: those set then are meant."""
    if asked:
        return tuple(asked)
    by_tag = dict(_routes(settings))
    return next((by_tag[tag] for tag in tags if tag in by_tag), settings.email_provider)


def check_recipients(names: Sequence[str], message: Message) -> None:
    """Raises BadArguments if one of these providers does not take so many."""
    if "ses" in names and len(message.recipients) > MOST_OF_SES:
        raise BadArguments(
            f"The e-mail has {len(message.recipients)} recipients; SES, by which it may leave, takes {MOST_OF_SES}. "
            "Send several e-mails, best one to each recipient.",
            "to",
        )


def _routes(settings: Settings) -> list[tuple[str, tuple[str, ...]]]:
    """EMAIL_ROUTES: `newsletter=ses` and `receipt=smtp+sendgrid`."""
    found = []
    for rule in settings.email_routes:
        tag, _, names = rule.partition("=")
        found.append((tag.strip(), tuple(name.strip() for name in names.split("+"))))
    return found


async def fail_over(
    settings: Settings,
    names: Sequence[str],
    message: Message,
    recipients: Sequence[str],
    progress: Progress | None = None,
) -> Receipt:
    """Send by the first of them that takes it; the next is asked only when this one surely has sent nothing.

    Raises what the last one asked raised: NotSent, Rejected (no other would take it either) or Ambiguous.
    """
    *others, last = names
    progress = progress or Progress()
    for name in others:
        try:
            return await _provider(settings, name).send(message, recipients, progress)
        except (NotSent, ChannelRefused) as error:
            progress.has_left = False
            log.warning("a provider did not take a mail; the next is asked", provider=name, error=str(error))
    return await _provider(settings, last).send(message, recipients, progress)


def _provider(settings: Settings, name: str) -> Provider:
    """Raises ChannelClosed for one that is not set up."""
    try:
        return provider(settings, name)
    except ConfigurationError as error:
        raise ChannelClosed(f"The provider {name} cannot be used. {error}", code="settings") from error


@cache
def provider(settings: Settings, name: str) -> Provider:
    """One for the whole process, which belongs to one event loop. Raises ConfigurationError."""
    if name == "sendgrid":
        from providers.email.sendgrid import SendGridProvider  # its package takes a while to import

        return SendGridProvider.of(settings)
    if name == "ses":
        from providers.email.ses import SesProvider  # the same

        return SesProvider.of(settings)
    return _smtp(settings) if name == "smtp" else FileProvider(settings.mail_folder)


def _smtp(settings: Settings) -> SmtpProvider:
    local = settings.smtp_host in ("localhost", "127.0.0.1", "::1")
    if settings.smtp_security == "none" and settings.smtp_username and not local:
        raise ConfigurationError(
            f"SMTP_SECURITY=none would show SMTP_PASSWORD to everybody on the way to {settings.smtp_host}. "
            "Set SMTP_SECURITY to starttls or tls, or leave SMTP_USERNAME out."
        )
    return SmtpProvider(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=settings.smtp_password,
        timeout=settings.smtp_timeout,
        final_timeout=settings.smtp_final_timeout,
        connections=settings.smtp_connections,
    )
