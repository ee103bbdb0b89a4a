"""E-mail: what a mail is, and the ways in which it can leave."""

from providers.email.base import Provider
from providers.email.draft import Draft, default_sender, read_draft
from providers.email.message import Message, read_message
from providers.email.receipt import Receipt, Reply
from providers.email.routes import PROVIDERS, TELLING, asked_for, check_recipients, fail_over, provider, route

__all__ = [
    "PROVIDERS",
    "TELLING",
    "Draft",
    "Message",
    "Provider",
    "Receipt",
    "Reply",
    "asked_for",
    "check_recipients",
    "default_sender",
    "fail_over",
    "provider",
    "read_draft",
    "read_message",
    "route",
]
