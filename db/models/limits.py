"""What keeps jobs from starting, or from being made."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Pause(Base):
    """A queue or an actor of which nothing is started for the time being."""

    __tablename__ = "pauses"
    __table_args__ = (CheckConstraint("kind in ('queue', 'actor')", name="pauses_kind_check"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    paused_by: Mapped[str]
    paused_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Limit(Base):
    """A rate and a concurrency that all workers keep together, by key."""

    __tablename__ = "limits"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    key: Mapped[str] = mapped_column(primary_key=True)
    concurrency: Mapped[int | None]
    rate: Mapped[int | None]  # jobs
    per: Mapped[float | None]  # seconds
    tokens: Mapped[float] = mapped_column(server_default=text("0"))
    refilled_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LimitGrant(Base):
    """The run of a job that may count itself in: it holds as long as the job is at this attempt."""

    __tablename__ = "limit_grants"
    __table_args__ = (Index("limit_grants_key", "key"),)

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[str]
    attempt: Mapped[int]  # the number of the run
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UniqueWindow(Base):
    """Until when a unique key makes no other job, whatever becomes of the one it made."""

    __tablename__ = "unique_windows"

    key: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID]
    until: Mapped[datetime]
