"""The tables, one file per kind of thing."""

from db.models.audit import Audit
from db.models.base import Base
from db.models.emails import Alert, Email, EmailEvent, Suppression
from db.models.jobs import Job, JobAttempt
from db.models.kept import JobCheckpoint, JobLog, JobProgress, JobStep
from db.models.limits import Limit, LimitGrant, Pause, UniqueWindow
from db.models.workers import Lease, Worker

__all__ = [
    "Alert",
    "Audit",
    "Base",
    "Email",
    "EmailEvent",
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
    "Suppression",
    "UniqueWindow",
    "Worker",
]
