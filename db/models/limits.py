"""What keeps jobs from starting, or from being made."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Pause(Base):
    """A queue or an actor of which nothing is started for the time being, or a worker process that starts nothing."""

    __tablename__ = "pauses"
    __table_args__ = (CheckConstraint("kind in ('queue', 'actor', 'worker')", name="pauses_kind_check"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    paused_by: Mapped[str]
    paused_at: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime] = mapped_column(server_default=text("'infinity'"))  # then it is over, whoever sees it


class Limit(Base):
    """A rate and a concurrency that all workers keep together, by key (db/limits.py)."""

    __tablename__ = "limits"
    __table_args__ = (
        Index("limits_due", "due_at", postgresql_where=text("due_at is not null")),
        CheckConstraint(
            "(set_by is null) = (set_at is null) and (set_by is null) = (set_reason is null)"
            " and (set_by is not null or coalesce(declared_concurrency, declared_rate, declared_per) is null)",
            name="limits_set_check",
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )

    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    concurrency: Mapped[int | None]
    rate: Mapped[int | None]  # jobs
    per: Mapped[float | None]  # seconds
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime | None]  # when those that wait are to be looked at; null: none waits
    declared_concurrency: Mapped[int | None]  # as the code has it, while people have set it otherwise
    declared_rate: Mapped[int | None]
    declared_per: Mapped[float | None]
    set_by: Mapped[str | None]  # null: it is as the code has it
    set_at: Mapped[datetime | None]
    set_reason: Mapped[str | None]


class LimitGrant(Base):
    """The run that a job may have: it counts as long as the job is running it, or for a while is about to."""

    __tablename__ = "limit_grants"
    __table_args__ = (Index("limit_grants_key", "key"),)

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    attempt: Mapped[int]  # the number of the run
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LimitStart(Base):
    """How many runs a key began at a time, as long as that counts for its rate."""

    __tablename__ = "limit_starts"

    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    jobs: Mapped[int]


class UniqueWindow(Base):
    """Until when a unique key makes no other job, whatever becomes of the one it made."""

    __tablename__ = "unique_windows"
    __table_args__ = (Index("unique_windows_until", "until"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[uuid.UUID]
    until: Mapped[datetime]
