"""Schedules: what they can run, when they do, and what became of it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class SchedulerJobType(Base):
    """A kind of trigger (runtime/triggers): interval, cron, date, and whatever processes have registered."""

    __tablename__ = "scheduler_job_types"

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    config_schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    example: Mapped[dict[str, Any]] = mapped_column(JSON)


class TaskFunction(Base):
    """An actor, as the processes that declare it have registered it. One that is gone is marked, not deleted."""

    __tablename__ = "task_functions"

    name: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    description: Mapped[str]
    signature: Mapped[dict[str, Any]] = mapped_column(JSON)  # JSON Schema of its arguments
    defaults: Mapped[dict[str, Any]] = mapped_column(JSON)  # its options
    periodic: Mapped[str | None]  # its cron expression, if periodiq triggers it
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())
    missing_since: Mapped[datetime | None]


class ScheduledJob(Base):
    """A schedule. `next_run_at` is what the scheduler looks for; null: it does not run (again) by itself."""

    __tablename__ = "scheduled_jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default=text("''"))
    kind: Mapped[str] = mapped_column(server_default=text("'table'"))  # or code: an actor that periodiq triggers
    task_function: Mapped[str]  # an actor's name
    job_type: Mapped[str]
    schedule_config: Mapped[dict[str, Any]] = mapped_column(JSON)
    task_args: Mapped[dict[str, Any] | list[Any]] = mapped_column(JSON)  # by name, or by place
    queue: Mapped[str | None]  # null, as for priority: the actor's
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    start_at: Mapped[datetime | None]
    end_at: Mapped[datetime | None]
    jitter: Mapped[float] = mapped_column(server_default=text("0"))  # seconds by which a run may be later than planned
    misfire: Mapped[str] = mapped_column(server_default=text("'run_once'"))
    misfire_max: Mapped[int] = mapped_column(server_default=text("1"))  # runs that catch_up makes
    misfire_grace: Mapped[float] = mapped_column(server_default=text("5"))  # seconds up to which a run is in time
    overlap: Mapped[str] = mapped_column(server_default=text("'skip'"))
    repeat: Mapped[int | None]  # runs in all; null: no limit
    shadow: Mapped[bool] = mapped_column(server_default=text("false"))  # records what it would have run, runs nothing
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    owner: Mapped[str | None]
    managed_by: Mapped[str] = mapped_column(server_default=text("'person'"))  # code: as scheduling/defaults.py says
    version: Mapped[int] = mapped_column(server_default=text("1"))
    anchor_at: Mapped[datetime] = mapped_column(server_default=func.now())  # from here intervals count
    runs: Mapped[int] = mapped_column(server_default=text("0"))
    last_run_at: Mapped[datetime | None]
    next_run_at: Mapped[datetime | None]
    parked_until: Mapped[datetime | None]  # it cannot be run as it is: `problem` says why; it is tried again then
    problem: Mapped[str | None]
    off_until: Mapped[datetime | None]  # enabled, but off for a while: no run is planned before that
    off_by: Mapped[str | None]  # who has turned it off, for a while or with no end
    off_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_by: Mapped[str]

    __table_args__ = (
        CheckConstraint("kind in ('table', 'code')", name="scheduled_jobs_kind"),
        CheckConstraint("misfire in ('skip', 'run_once', 'catch_up')", name="scheduled_jobs_misfire"),
        CheckConstraint("overlap in ('allow', 'skip', 'queue_one', 'cancel_previous')", name="scheduled_jobs_overlap"),
        CheckConstraint("managed_by in ('person', 'code')", name="scheduled_jobs_managed"),
        CheckConstraint(
            "jitter >= 0 and misfire_max >= 1 and misfire_grace >= 0 and repeat >= 1 and version >= 1",
            name="scheduled_jobs_numbers",
        ),
        CheckConstraint("end_at > start_at", name="scheduled_jobs_times"),
        CheckConstraint("next_run_at is null or enabled and kind = 'table'", name="scheduled_jobs_planned"),
        CheckConstraint(
            "(off_until is null or enabled and kind = 'table' and off_by is not null)"
            " and (off_by is null or not enabled or off_until is not null)"
            " and (off_reason is null or off_by is not null)",
            name="scheduled_jobs_off",
        ),
        Index("scheduled_jobs_due", "next_run_at", postgresql_where=text("next_run_at is not null")),
        Index("scheduled_jobs_off", "off_until", postgresql_where=text("off_until is not null")),
        {"postgresql_with": {"fillfactor": 50}},
    )


class ScheduledJobVersion(Base):
    """What a schedule was from this version on, and who made it so; the last one of a deleted schedule says that."""

    __tablename__ = "scheduled_job_versions"
    __table_args__ = (Index("scheduled_job_versions_name", "name", "changed_at"),)

    schedule_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    change: Mapped[str]  # create, edit, enable, disable, delete
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str]


class ScheduledJobExecution(Base):
    """A run that was planned or asked for: the job that was made of it, or the reason why none was.

    `fired` until its job has ended; how that stands then, the job's own row says. It outlives schedule and job.
    """

    __tablename__ = "scheduled_job_executions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    schedule_id: Mapped[uuid.UUID]
    schedule: Mapped[str]  # its name then
    planned_at: Mapped[datetime]
    planned_until: Mapped[datetime | None]  # the last one, where one row stands for several that were not made
    times: Mapped[int] = mapped_column(server_default=text("1"))  # so many
    status: Mapped[str]
    job_id: Mapped[uuid.UUID | None]
    triggered_by: Mapped[str]  # "schedule", "periodiq", or who asked for it
    reason: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    result: Mapped[Any | None] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    __table_args__ = (
        UniqueConstraint("schedule_id", "planned_at", name="scheduled_job_executions_once"),
        CheckConstraint(
            "status in ('waiting', 'fired', 'succeeded', 'failed', 'cancelled', 'unknown', 'skipped', 'shadow')",
            name="scheduled_job_executions_status",
        ),
        CheckConstraint("status <> 'skipped' or reason is not null", name="scheduled_job_executions_reason"),
        Index("scheduled_job_executions_planned", "planned_at", "id"),
        Index(
            "scheduled_job_executions_live",
            "schedule_id",
            "status",
            postgresql_where=text("status in ('waiting', 'fired')"),
        ),
        Index("scheduled_job_executions_unsettled", "id", postgresql_where=text("status = 'fired'")),
        Index(
            "scheduled_job_executions_status",
            "status",
            "planned_at",
            "id",
            postgresql_where=text("status not in ('waiting', 'fired', 'succeeded')"),
        ),
        Index("scheduled_job_executions_waiting", "planned_at", postgresql_where=text("status = 'waiting'")),
        Index("scheduled_job_executions_job", "job_id", postgresql_where=text("job_id is not null")),
        {"postgresql_with": {"fillfactor": 80}},
    )
