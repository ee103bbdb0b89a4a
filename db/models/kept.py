"""What a job tells of itself and keeps between its attempts."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class JobProgress(Base):
    """How far a job says it has come. No foreign key, whose check would lock the job's row; it goes with its job."""

    __tablename__ = "job_progress"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    current: Mapped[float]
    total: Mapped[float | None]
    message: Mapped[str | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    started_current: Mapped[float]  # where this attempt began: the rate is counted from there
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobCheckpoint(Base):
    """Where a job goes on after a crash, a retry or a pause."""

    __tablename__ = "job_checkpoints"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]
    data: Mapped[Any] = mapped_column(JSON)
    saved_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobStep(Base):
    """A step that was done once and for all, and its result."""

    __tablename__ = "job_steps"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    result: Mapped[Any | None] = mapped_column(JSON)
    done_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobLog(Base):
    """A line that a job logged. No foreign key, whose check would cost more than the line; they go with their job."""

    __tablename__ = "job_logs"

    job_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)  # as in `logging`
    logged_at: Mapped[datetime]
    message: Mapped[str]
    fields: Mapped[dict[str, Any] | None] = mapped_column(JSON)
