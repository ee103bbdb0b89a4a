"""Who may come in: people, their sessions, programs' keys, and how often somebody guessed wrong."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class User(Base):
    """A person. Never deleted, so that a name in an old audit row always means the same person: disabled instead."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role in ('viewer', 'operator', 'admin')", name="users_role"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]  # argon2; null: signs in through the identity provider only
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)  # "<issuer> <subject>"
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_login_at: Mapped[datetime | None]


class UserSession(Base):
    """A browser in which somebody is signed in. The token itself is in the cookie alone."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("user_sessions_user", "user_id"), Index("user_sessions_expiry", "expires_at"))

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    address: Mapped[str | None]
    browser: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())  # to the minute
    expires_at: Mapped[datetime]


class ApiKey(Base):
    """A program's key. Its prefix finds it and may be shown; of the rest there is only the hash."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "cardinality(scopes) > 0 and scopes <@ array['read', 'enqueue', 'operate', 'admin', 'metrics']",
            name="api_keys_scopes",
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[bytes]  # SHA-256 of the whole key
    previous_hash: Mapped[bytes | None]  # of the key before its rotation, good until `previous_until`
    previous_until: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    queues: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # null: all
    actors: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # null: all
    networks: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))  # empty: from anywhere
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the minute
    revoked_at: Mapped[datetime | None]


class LoginAttempts(Base):
    """How often somebody tried to sign in under a name, or from an address, since `since`."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("login_attempts_since", "since"),)

    key: Mapped[str] = mapped_column(primary_key=True)  # "name:ada", "address:192.0.2.1"
    attempts: Mapped[int] = mapped_column(server_default=text("1"))
    since: Mapped[datetime] = mapped_column(server_default=func.now())
