"""The row of a mail that is yet to be sent, as `db.emails.INSERT` takes it."""

import uuid
from collections.abc import Sequence
from typing import Any

from errors import BadArguments
from providers.email.draft import Draft
from providers.email.message import Message

POLICIES = ("at_most_once", "at_least_once")


def row_of(
    draft: Draft,
    message: Message,
    *,
    email_id: uuid.UUID,
    providers: Sequence[str] | None,
    policy: str,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """Raises BadArguments."""
    if policy not in POLICIES:
        raise BadArguments(f"There is no policy {str(policy)[:50]!r}; there are: {', '.join(POLICIES)}.", "policy")
    return {
        "id": str(email_id),
        "job_id": str(email_id),
        "idempotency_key": idempotency_key,
        "policy": policy,
        "providers": list(providers) if providers else None,
        "mailing_list": draft.mailing_list,
        "tags": list(draft.tags) or None,
        "addresses": [address.lower() for address in message.recipients],
        "content": dict(draft.content),
        "subject": message.subject,
        "template": draft.template,
    }
