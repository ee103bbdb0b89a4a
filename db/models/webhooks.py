"""Where webhooks go, what they say, and what became of each."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Double, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class WebhookEndpoint(Base):
    """An address of somebody who wants to be told of events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("(disabled_at is null) = (disabled_reason is null)", name="webhook_endpoints_disabled"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str]
    event_types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # null: all
    headers: Mapped[str | None]  # sealed JSON: they often carry a token
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # sealed, newest first; see actors/webhook/sealed.py
    timeout: Mapped[float]  # seconds
    rate: Mapped[float | None]  # requests a second
    schedule: Mapped[list[float] | None] = mapped_column(ARRAY(Double))  # seconds before tries 2, 3, …; null: settings
    ordered: Mapped[bool]
    owner_email: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]  # an attempt failed then; none has succeeded since
    warned_at: Mapped[datetime | None]  # people were told that it fails, last
    deleted_at: Mapped[datetime | None]  # it is disabled and shown to nobody: what is left of it goes in pieces
    throttled_until: Mapped[datetime | None]  # it asked for quiet, or is overloaded
    next_slot_at: Mapped[datetime | None]  # when its rate allows one more request


class WebhookMessage(Base):
    """What is sent, byte for byte, however often and to whomever."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        Index("webhook_messages_created", "created_at"),
        Index(
            "webhook_messages_idempotency",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    event_type: Mapped[str | None]  # null: sent to one address, no event
    body: Mapped[bytes]
    idempotency_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookDelivery(Base):
    """A message on its way to an endpoint, or to one address."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("(endpoint_id is null) = (url is not null)", name="webhook_deliveries_target"),
        CheckConstraint("(outcome is null) = (ended_at is null)", name="webhook_deliveries_ended"),
        CheckConstraint(
            "outcome in ('succeeded', 'exhausted', 'gone', 'aborted', 'skipped', 'cancelled')",
            name="webhook_deliveries_outcome",
        ),
        Index("webhook_deliveries_message", "message_id"),
        Index("webhook_deliveries_endpoint", "endpoint_id", "id"),
        Index("webhook_deliveries_live", "endpoint_id", "id", postgresql_where=text("outcome is null")),
        Index(
            "webhook_deliveries_failed",
            "id",
            postgresql_where=text("outcome is not null and outcome <> 'succeeded'"),
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    message_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_messages.id", ondelete="CASCADE"))
    endpoint_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    url: Mapped[str | None]  # where there is no endpoint
    sealed: Mapped[str | None]  # its secret and headers, where there is no endpoint
    replay_of: Mapped[uuid.UUID | None]
    job_id: Mapped[uuid.UUID | None]  # null: it was never to be sent, or others of its ordered endpoint come first
    run: Mapped[int] = mapped_column(server_default=text("0"))  # the attempt of its job that has it: it fences others
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))  # those that count for the schedule
    started_at: Mapped[datetime | None]  # of an attempt that is under way
    slot_at: Mapped[datetime | None]  # when the endpoint's rate lets it pass
    next_attempt_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # null: not ended
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class WebhookAttempt(Base):
    """One request of a delivery, and what came back."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(server_default=func.now())
    url: Mapped[str]
    request_headers: Mapped[dict[str, str] | None] = mapped_column(JSON)  # custom ones with their values masked
    status: Mapped[int | None]
    code: Mapped[str | None]  # why there is no status: dns, connect, tls, timeout_total, reset, lost, internal, ...
    error: Mapped[str | None]
    response_headers: Mapped[list[list[str]] | None] = mapped_column(JSON)
    response_body: Mapped[str | None]
    truncated: Mapped[bool] = mapped_column(server_default=text("false"))
    address: Mapped[str | None]
    timings: Mapped[dict[str, float] | None] = mapped_column(JSON)  # milliseconds
    next_attempt_at: Mapped[datetime | None]
