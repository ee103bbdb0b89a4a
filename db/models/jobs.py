"""Jobs and their failed runs."""

import uuid
from datetime import MAXYEAR, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Computed, ForeignKey, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


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
    # Why it waits: "limit:<key>", "actor:<name>"; then `run_at` is infinity.
    blocked_by: Mapped[str | None] = mapped_column(Text(collation="C"))
    unique_until_start: Mapped[bool | None]  # its unique key is free again once it has started
    resume_at: Mapped[datetime | None]  # when it is due once it goes on; it is paused, and `run_at` infinity

    workflow_id: Mapped[uuid.UUID | None]
    step_run: Mapped[uuid.UUID | None]  # which run of which step it belongs to (workflow_steps.run)
    item: Mapped[int | None]  # its place among that step's jobs
    is_reported: Mapped[bool | None]  # its end has reached its workflow

    @property
    def due_at(self) -> datetime | None:
        """`run_at`, also of a paused job; None while it waits for something else than the time."""
        return self.resume_at if self.run_at.year == MAXYEAR else self.run_at  # infinity, which Python does not have

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
        CheckConstraint("resume_at is null or state = 'paused'", name="jobs_resume"),
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
        Index("jobs_workflow", "workflow_id", "step_run", "item", postgresql_where=text("workflow_id is not null")),
        Index("jobs_unreported", "workflow_id", postgresql_where=text("is_reported = false and outcome is not null")),
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
    # What is the same in all occurrences of an error, by which they are grouped.
    pattern: Mapped[str] = mapped_column(Computed("error_pattern(error_message)"))
    fingerprint: Mapped[str] = mapped_column(Computed("md5(error_type || chr(10) || error_pattern(error_message))"))

    __table_args__ = (
        Index("job_attempts_ended", "ended_at"),
        Index("job_attempts_fingerprint", "fingerprint", "ended_at"),
    )
