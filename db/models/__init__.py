"""The tables, one file per kind of thing."""

from db.models.audit import Audit
from db.models.base import Base
from db.models.jobs import Job, JobAttempt
from db.models.kept import JobCheckpoint, JobLog, JobProgress, JobStep
from db.models.limits import Limit, LimitGrant, Pause, UniqueWindow
from db.models.workers import Lease, Worker
from db.models.workflows import Workflow, WorkflowEdge, WorkflowEvent, WorkflowItems, WorkflowStep

__all__ = [
    "Audit",
    "Base",
    "Job",
    "JobAttempt",
    "JobCheckpoint",
    "JobLog",
    "JobProgress",
    "JobStep",
    "Lease",
    "Limit",
    "LimitGrant",
    "Pause",
    "UniqueWindow",
    "Worker",
    "Workflow",
    "WorkflowEdge",
    "WorkflowEvent",
    "WorkflowItems",
    "WorkflowStep",
]
