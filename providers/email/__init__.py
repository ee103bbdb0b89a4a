"""E-mail providers: `provider(settings)` is the one that is set."""

from functools import cache

from errors import BadArguments, ConfigurationError
from providers.email.address import read_address
from providers.email.base import Provider
from providers.email.file import FileProvider
from providers.email.message import Message, read_message
from providers.email.receipt import Receipt, Reply
from providers.email.smtp import SmtpProvider
from settings import Settings

__all__ = ["Message", "Provider", "Receipt", "Reply", "default_sender", "provider", "read_message"]


@cache
def provider(settings: Settings) -> Provider:
    """The provider that EMAIL_PROVIDER names, one for the whole process. Raises ConfigurationError."""
    if settings.email_provider == "file":
        return FileProvider(settings.mail_folder)
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


def default_sender(settings: Settings) -> str:
    """Who e-mails come from that name no sender. Raises ConfigurationError."""
    try:
        read_address(settings.email_from, "EMAIL_FROM")
    except BadArguments as error:
        raise ConfigurationError(str(error)) from None
    return settings.email_from
