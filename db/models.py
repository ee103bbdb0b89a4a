"""The tables."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime


class Base(DeclarativeBase):
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 (SQLAlchemy reads it so)


class Job(Base):
    """One piece of work, and its own outbox: `dispatched_at is null` means its message is still to be sent.

    The indexes decide the speed (docs/decisions/0002-row-layout.md): a claim changes no indexed column,
    so it stays within the row's page (HOT); `outcome` is null until the job ends and carries what people search.
    """

    __tablename__ = "jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    actor: Mapped[str]
    queue: Mapped[str]
    args: Mapped[list[Any]] = mapped_column(JSON)
    kwargs: Mapped[dict[str, Any]] = mapped_column(JSON)
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # of this job only: {"time_limit": 1000}
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))  # lower runs first, as in Dramatiq
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))  # only ever grows: it fences stale runs
    max_attempts: Mapped[int | None]  # null: no limit
    releases: Mapped[int] = mapped_column(server_default=text("0"))  # attempts that a stopping worker gave back
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dispatched_at: Mapped[datetime | None]
    worker: Mapped[uuid.UUID | None]  # who runs it, or ended it
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]  # of the latest attempt
    finished_at: Mapped[datetime | None]
    outcome: Mapped[int | None] = mapped_column(SmallInteger)  # 1 succeeded, 2 failed, 3 cancelled
    unique_key: Mapped[str | None]
    owner: Mapped[str | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    result: Mapped[Any | None] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # of the latest failed attempt: type, message
    parent_id: Mapped[uuid.UUID | None]  # the job that made it
    expires_at: Mapped[datetime | None]  # not started by then: cancelled
    control: Mapped[str | None]  # what a person wants of the run: cancel, pause
    control_reason: Mapped[str | None]
    blocked_by: Mapped[str | None]  # why it waits: "limit:<key>", "actor:<name>"; then `run_at` is infinity
    limit_key: Mapped[str | None]  # whose rate and concurrency it counts for
    unique_until_start: Mapped[bool | None]  # its unique key is free again once it has started

    __table_args__ = (
        CheckConstraint(
            "state in ('waiting', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')", name="jobs_state"
        ),
        CheckConstraint(
            "case state when 'running' then worker is not null"
            " when 'waiting' then worker is null when 'queued' then worker is null"
            " when 'paused' then worker is null else true end",
            name="jobs_worker",
        ),
        CheckConstraint(
            "(state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)"
            " and outcome is not distinct from"
            " case state when 'succeeded' then 1 when 'failed' then 2 when 'cancelled' then 3 end",
            name="jobs_ended",
        ),
        CheckConstraint("attempt >= 0", name="jobs_attempt"),
        CheckConstraint("control is null or control in ('cancel', 'pause') and state = 'running'", name="jobs_control"),
        CheckConstraint("blocked_by is null or state = 'waiting'", name="jobs_blocked"),
        Index("jobs_live", "queue", "priority", "run_at", postgresql_where=text("outcome is null")),
        Index("jobs_ended", "outcome", "finished_at", postgresql_where=text("outcome is not null")),
        Index("jobs_actor", "actor", "created_at"),
        Index("jobs_created", "created_at"),
        Index(
            "jobs_unique",
            "unique_key",
            unique=True,
            postgresql_where=text("unique_key is not null and outcome is null"),
        ),
        Index("jobs_parent", "parent_id", postgresql_where=text("parent_id is not null")),
        Index("jobs_expiry", "expires_at", postgresql_where=text("expires_at is not null and outcome is null")),
        Index("jobs_controlled", "id", postgresql_where=text("control is not null and outcome is null")),
        Index("jobs_waiting", "blocked_by", "priority", "id", postgresql_where=text("blocked_by is not null")),
        Index("jobs_owner", "owner", "created_at", postgresql_where=text("owner is not null")),
        Index("jobs_tags", "tags", postgresql_using="gin", postgresql_where=text("tags is not null")),
        Index("jobs_error", text("(error->>'type')"), "finished_at", postgresql_where=text("outcome = 2")),
        {"postgresql_with": {"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0.05}},
    )


class JobAttempt(Base):
    """One failed run of a job: when, where and why, with the whole traceback."""

    __tablename__ = "job_attempts"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[uuid.UUID]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(server_default=func.now())
    error_type: Mapped[str]
    error_message: Mapped[str]
    traceback: Mapped[str]


class Worker(Base):
    """A worker process, as long as it is believed to live. Without its row it cannot claim."""

    __tablename__ = "workers"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    process: Mapped[str]  # names the process as no other, on any host, now or later
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    async_slots: Mapped[int]
    threads: Mapped[int]
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Lease(Base):
    """Who leads, and until when. The term only grows."""

    __tablename__ = "leases"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[uuid.UUID]
    term: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]


class JobProgress(Base):
    """How far a job says it has come."""

    __tablename__ = "job_progress"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy reads it so)

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
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


class Audit(Base):
    """Something that a person, or a program on a person's behalf, did."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_job", "job_id", postgresql_where=text("job_id is not null")),
        Index("audit_done", "done_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    done_at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]
    action: Mapped[str]
    job_id: Mapped[uuid.UUID | None]
    target: Mapped[str | None]  # a queue, an actor, or a filter
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
