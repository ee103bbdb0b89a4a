"""What deliveries have no index for: they are looked for among so many of the newest, and no further."""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on

from db.models import WebhookAttempt, WebhookDelivery, WebhookMessage
from errors import BadArguments

MOST_SEARCHED = 20_000  # deliveries for an event type, attempts for an answer


@dataclass(frozen=True)
class Answer:
    """What was answered: a status within these, a code of what went wrong instead of an answer, or no answer at all."""

    least: int | None = None
    most: int | None = None
    code: str | None = None

    @classmethod
    def read(cls, text: str) -> "Answer":
        """`404`, `5xx`, a code as `dns`, or `none`. Raises BadArguments."""
        if re.fullmatch(r"[1-5]xx", text):
            return cls(int(text[0]) * 100, int(text[0]) * 100 + 99)
        if re.fullmatch(r"[1-5][0-9]{2}", text):
            return cls(int(text), int(text))
        if text == "none":
            return cls()
        if re.fullmatch(r"[a-z][a-z_]{1,39}", text):
            return cls(code=text)
        raise BadArguments("Write a status (404), a hundred (5xx), none, or a code (dns, connect, tls).", "answer")


def looked_for(
    event_types: Sequence[str] | None, answer: Answer | None, before: uuid.UUID | None
) -> Iterator[Select[uuid.UUID]]:
    """Which deliveries these are, for each of the two that is given; older than `before` if that is."""
    if event_types is not None:
        yield _of_types(event_types, before)
    if answer is not None:
        yield _answered(answer, before)


def _of_types(event_types: Sequence[str], before: uuid.UUID | None) -> Select[uuid.UUID]:
    newest = select(WebhookDelivery.id, WebhookDelivery.message_id)
    newest = newest.order_by(WebhookDelivery.id.desc()).limit(MOST_SEARCHED)
    if before is not None:
        newest = newest.where(WebhookDelivery.id < before)
    searched = newest.subquery()
    found = select(searched.c.id).join(WebhookMessage, WebhookMessage.id == searched.c.message_id)
    return found.where(WebhookMessage.event_type.in_(event_types))


def _answered(answer: Answer, before: uuid.UUID | None) -> Select[uuid.UUID]:
    attempt = WebhookAttempt
    newest = select(attempt.delivery_id, attempt.number, attempt.status, attempt.code)
    newest = newest.order_by(attempt.delivery_id.desc(), attempt.number.desc()).limit(MOST_SEARCHED)
    if before is not None:
        newest = newest.where(attempt.delivery_id < before)
    searched = newest.subquery()
    latest = select(searched).ext(distinct_on(searched.c.delivery_id))
    last = latest.order_by(searched.c.delivery_id.desc(), searched.c.number.desc()).subquery()
    found = select(last.c.delivery_id)
    if answer.code is not None:
        return found.where(last.c.code == answer.code)
    if answer.least is None:
        return found.where(last.c.status.is_(None))
    return found.where(last.c.status.between(answer.least, answer.most))
