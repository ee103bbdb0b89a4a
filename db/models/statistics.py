"""What ended jobs add up to, and which errors are the same but for their values."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class JobStatistic(Base):
    """The jobs of an actor and a queue that ended so within one minute (`span` 60), hour (3600) or day."""

    __tablename__ = "job_statistics"
    __table_args__ = (
        Index("job_statistics_actor", "actor", "span", "starts_at"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    span: Mapped[int] = mapped_column(primary_key=True)  # seconds
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    retries: Mapped[int] = mapped_column(BigInteger)
    waited: Mapped[float]  # seconds in all, from when they were due to the last start
    ran: Mapped[float]  # seconds in all, of the last attempts
    waits: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # jobs in each of the buckets of db/statistics.py
    runs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class ErrorGroup(Base):
    """Failed attempts of one error type whose messages differ in nothing but values."""

    __tablename__ = "error_groups"
    __table_args__ = (Index("error_groups_seen", "last_seen_at"), {"postgresql_with": {"fillfactor": 70}})

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[str]
    pattern: Mapped[str]  # the message, its values replaced
    sample_job: Mapped[uuid.UUID]  # where it was seen last
    sample_attempt: Mapped[int]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    occurrences: Mapped[int] = mapped_column(BigInteger)
    muted_at: Mapped[datetime | None]
    muted_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]  # seen again after that: it has come back
    resolved_by: Mapped[str | None]
    issue_url: Mapped[str | None]  # where people work on it
    issue_at: Mapped[datetime | None]  # when they said so
    issue_by: Mapped[str | None]


class ErrorStatistic(Base):
    """How often a group was seen with an actor within one hour."""

    __tablename__ = "error_statistics"
    __table_args__ = (Index("error_statistics_starts", "starts_at"), {"postgresql_with": {"fillfactor": 70}})

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("error_groups.fingerprint", ondelete="CASCADE"), primary_key=True
    )
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)


class StatisticsProgress(Base):
    """Up to when something has been counted."""

    __tablename__ = "statistics_progress"

    name: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
