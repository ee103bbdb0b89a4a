"""Workflows: a graph of steps, each of which is one job or many, a wait, or a place where branches meet."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Workflow(Base):
    """A graph of steps that was started. Its row is the lock under which its steps change."""

    __tablename__ = "workflows"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner: Mapped[str | None]
    parent_id: Mapped[uuid.UUID | None]  # the job that started it, which may have been deleted since
    idempotency_key: Mapped[str | None]  # of its owner: a second start with it finds the first
    state: Mapped[str] = mapped_column(server_default=text("'running'"))
    compensates: Mapped[bool] = mapped_column(server_default=false())  # once it has stopped, what was done is undone
    deadline: Mapped[datetime | None]  # not ended by then: it fails
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # why it stopped: step, type, message

    __table_args__ = (
        CheckConstraint(
            "state in ('running', 'paused', 'failing', 'cancelling', 'compensating',"
            " 'succeeded', 'failed', 'cancelled', 'compensated')",
            name="workflows_state",
        ),
        CheckConstraint(
            "(state in ('succeeded', 'failed', 'cancelled', 'compensated')) = (finished_at is not null)",
            name="workflows_ended",
        ),
        Index(
            "workflows_key",
            text("coalesce(owner, '')"),
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
        Index("workflows_created", "created_at", "id"),
        Index("workflows_ended", "finished_at", postgresql_where=text("finished_at is not null")),
        Index("workflows_deadline", "deadline", postgresql_where=text("deadline is not null and finished_at is null")),
        Index("workflows_stopping", "id", postgresql_where=text("state in ('failing', 'cancelling')")),
    )


class WorkflowStep(Base):
    """A node of the graph. Its jobs are those whose `step_run` is its `run`; earlier runs' jobs count no more."""

    __tablename__ = "workflow_steps"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    workflow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    number: Mapped[int]  # a predecessor's is lower
    name: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    join_policy: Mapped[str]
    on_failure: Mapped[str]
    calls: Mapped[list[Any]] = mapped_column(JSON)  # actor, queue, priority, … of its jobs; a group has several
    args: Mapped[list[Any]] = mapped_column(JSON)
    kwargs: Mapped[dict[str, Any]] = mapped_column(JSON)
    takes_result: Mapped[bool]  # what its predecessors returned comes before its own arguments
    spreads: Mapped[bool]  # a map whose items are what its predecessor returned
    undoes: Mapped[uuid.UUID | None]  # the step that it compensates
    predecessors: Mapped[int]
    pending: Mapped[int]  # predecessors that have not ended
    hits: Mapped[int] = mapped_column(server_default=text("0"))  # predecessors that succeeded
    run: Mapped[uuid.UUID]
    total: Mapped[int | None]  # jobs that there are to be; null until it is known
    released: Mapped[int] = mapped_column(server_default=text("0"))  # jobs that there are
    ended: Mapped[int] = mapped_column(server_default=text("0"))  # of those
    failed: Mapped[int] = mapped_column(server_default=text("0"))  # of those
    max_parallel: Mapped[int | None]
    event: Mapped[str | None]
    seconds: Mapped[float | None]  # how long it sleeps, or waits for its event
    until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]  # when its sleep or its wait is over
    result: Mapped[Any | None] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("workflow_id", "number"),
        CheckConstraint("kind in ('job', 'group', 'map', 'sleep', 'event', 'join')", name="workflow_steps_kind"),
        CheckConstraint(
            "state in ('waiting', 'running', 'succeeded', 'failed', 'cancelled', 'skipped', 'held')",
            name="workflow_steps_state",
        ),
        CheckConstraint("pending >= 0 and ended <= released and failed <= ended", name="workflow_steps_counts"),
        Index("workflow_steps_run", "run", unique=True),
        Index("workflow_steps_live", "workflow_id", postgresql_where=text("state in ('waiting', 'running')")),
        Index("workflow_steps_due", "due_at", postgresql_where=text("due_at is not null")),
        {"postgresql_with": {"fillfactor": 70}},
    )


class WorkflowEdge(Base):
    """`to_id` comes after `from_id`, whose result is the one at `position` of those that it is given."""

    __tablename__ = "workflow_edges"
    __table_args__ = (Index("workflow_edges_to", "to_id", "position"),)

    from_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflow_steps.id", ondelete="CASCADE"), primary_key=True)
    to_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int]


class WorkflowItems(Base):
    """Up to 500 of the items of a group or a map; their jobs are made when it is their turn."""

    __tablename__ = "workflow_items"

    step_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflow_steps.id", ondelete="CASCADE"), primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list[Any]] = mapped_column(JSON)


class WorkflowEvent(Base):
    """An event that was received, be it before the step that waits for it began."""

    __tablename__ = "workflow_events"

    workflow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    payload: Mapped[Any | None] = mapped_column(JSON)
    who: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
