"""E-mails, what became of them, who gets none, and alerts."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base

# From the earliest to what weighs most: events come late, twice and in any order, and never move a mail back.
STATUSES = (
    "queued",  # to be handed to a provider, now or later
    "cancelled",  # its job was cancelled before that
    "failed",  # no provider could be reached, or all refused for now, until its job had no attempt left
    "suppressed",  # not sent: every recipient is on the suppression list
    "sending",  # claimed by a run of its job; the request may be on its way
    "unknown",  # the answer was lost: somebody may have got it
    "sent",  # a provider has it for every recipient
    "deferred",  # a recipient's server says: later; the provider goes on trying
    "delivered",
    "opened",
    "clicked",
    "rejected",  # refused for good, by the provider, for one recipient at least
    "bounced",  # a recipient's server refused it for good
    "unsubscribed",
    "complained",  # a recipient called it spam
)


class Email(Base):
    """A mail: what is to be sent to whom, and how far it has got."""

    __tablename__ = "emails"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'sending', 'sent', 'delivered', 'deferred', 'opened', 'clicked', 'rejected',"
            " 'bounced', 'unsubscribed', 'complained', 'unknown', 'suppressed', 'failed', 'cancelled')",
            name="emails_status_check",
        ),
        CheckConstraint("policy in ('at_most_once', 'at_least_once')", name="emails_policy_check"),
        Index(
            "emails_idempotency_key",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
        Index("emails_job", "job_id"),
        Index("emails_provider_id", "provider_id", postgresql_where=text("provider_id is not null")),
        Index("emails_created", "created_at", "id"),
        Index("emails_open", "id", postgresql_where=text("status in ('queued', 'sending')")),
        Index("emails_held", "held_since", postgresql_where=text("held_since is not null")),
        Index("emails_content", "created_at", postgresql_where=text("content is not null")),
        Index(
            "emails_status",
            "status",
            "created_at",
            postgresql_where=text("status not in ('queued', 'sending', 'sent')"),
        ),
        Index("emails_addresses", "addresses", postgresql_using="gin"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)  # that of its first job; it is in the Message-ID
    job_id: Mapped[uuid.UUID]  # its latest job; jobs are deleted earlier than mails
    idempotency_key: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    policy: Mapped[str]  # what to do when nobody knows whether it left
    providers: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # asked for, in turn; null: by settings
    mailing_list: Mapped[str | None]  # which one can leave
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    addresses: Mapped[list[str]] = mapped_column(ARRAY(Text))  # everybody, in small letters
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # null once it is past its retention
    subject: Mapped[str]
    template: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # how often it was claimed
    run: Mapped[int | None]  # the attempt of job_id that claimed it last; with it the fence of what may be written
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]  # the provider's own id of the mail
    accepted: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # whom a provider has it for
    refused: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # who still is: code and text by address
    suppressed: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # who is on the suppression list
    error: Mapped[str | None]
    held_since: Mapped[datetime | None]  # its provider has refused our login, key or account since: it waits
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EmailEvent(Base):
    """Something that a provider, or a recipient, said of a mail."""

    __tablename__ = "email_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id", "recipient", name="email_events_once"),
        Index("email_events_email", "email_id", "occurred_at"),
        Index("email_events_recorded", "recorded_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    provider: Mapped[str]
    event_id: Mapped[str]
    recipient: Mapped[str]
    email_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("emails.id", ondelete="CASCADE"))
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reason: Mapped[str | None]
    description: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Suppression(Base):
    """An address that gets no mail: none at all, or none of a list that it has left."""

    __tablename__ = "suppressions"
    __table_args__ = (
        CheckConstraint(
            "reason in ('hard_bounce', 'complaint', 'unsubscribe', 'manual')", name="suppressions_reason_check"
        ),
        Index("suppressions_created", "created_at", "address"),
    )

    address: Mapped[str] = mapped_column(primary_key=True)  # in small letters
    reason: Mapped[str] = mapped_column(primary_key=True)
    mailing_list: Mapped[str] = mapped_column(primary_key=True, server_default="")  # that was left; empty: all
    email_id: Mapped[uuid.UUID | None]  # the mail that led to it
    note: Mapped[str | None]
    added_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class Alert(Base):
    """An alert that was sent, so that the same one is not sent again and again."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint("level in ('info', 'warning', 'error', 'critical')", name="alerts_level_check"),
        Index("alerts_last", "last_at"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str]
    title: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_at: Mapped[datetime] = mapped_column(server_default=func.now())
    held_back: Mapped[int] = mapped_column(server_default=text("0"))  # since then
