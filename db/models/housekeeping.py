"""What the housekeeping that comes with us keeps in order: tokens, desktop sessions, deployments, a directory's users,
and how healthy all was."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Identity, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class AccessToken(Base):
    """A token that lets a program in; only its hash is kept."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        Index("access_tokens_hash", "token_hash", unique=True),
        Index("access_tokens_user", "user_name"),
        Index("access_tokens_expires", "expires_at"),
        Index("access_tokens_revoked", "revoked_at", postgresql_where=text("revoked_at is not null")),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)  # SHA-256: the tokens are random, and long
    user_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class DesktopSession(Base):
    """Somebody's session on a desktop, which says again and again that it is still there."""

    __tablename__ = "desktop_sessions"
    __table_args__ = (
        CheckConstraint("status in ('active', 'inactive')", name="desktop_sessions_status"),
        CheckConstraint(
            "(status = 'inactive') = (ended_at is not null) and (ended_at is null) = (ended_reason is null)",
            name="desktop_sessions_ended",
        ),
        Index("desktop_sessions_seen", "last_seen_at", postgresql_where=text("status = 'active'")),
        Index("desktop_sessions_user", "user_name", "started_at"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_name: Mapped[str]
    host: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status: Mapped[str] = mapped_column(server_default="active")
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]


class DeploymentJob(Base):
    """A deployment that somebody else carries out, and reports on."""

    __tablename__ = "deployment_jobs"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'running', 'succeeded', 'failed')", name="deployment_jobs_status"),
        CheckConstraint(
            "(status in ('succeeded', 'failed')) = (finished_at is not null)", name="deployment_jobs_ended"
        ),
        CheckConstraint("status <> 'running' or started_at is not null", name="deployment_jobs_started"),
        CheckConstraint("status <> 'failed' or reason is not null", name="deployment_jobs_reason"),
        Index(
            "deployment_jobs_live",
            "status",
            "updated_at",
            postgresql_where=text("status in ('pending', 'running')"),
        ),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())  # its last sign of life
    finished_at: Mapped[datetime | None]
    reason: Mapped[str | None]  # why it failed


class DomainUser(Base):
    """A user of the directory, as it was when it was last read."""

    __tablename__ = "domain_users"
    __table_args__ = (Index("domain_users_account", text("lower(account_name)")),)

    object_guid: Mapped[uuid.UUID] = mapped_column(primary_key=True)  # stays the same whatever else changes
    account_name: Mapped[str]  # sAMAccountName
    mail: Mapped[str | None]
    display_name: Mapped[str | None]
    enabled: Mapped[bool]
    synced_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HealthCheck(Base):
    """What a look at workers, queues, database and Redis has found."""

    __tablename__ = "health_checks"
    __table_args__ = (
        CheckConstraint("status in ('healthy', 'warning', 'critical')", name="health_checks_status"),
        Index("health_checks_checked", "checked_at"),
        Index("health_checks_unsaid", "id", postgresql_where=text("previous is not null and alerted_at is null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    status: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(JSON)
    measures: Mapped[dict[str, Any]] = mapped_column(JSON)
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    previous: Mapped[str | None]  # what people were told before, if this check changes it
    alerted_at: Mapped[datetime | None]  # when people were told of the change
    told: Mapped[str | None]  # the status that people are to know of since this check; null: from before it was kept
