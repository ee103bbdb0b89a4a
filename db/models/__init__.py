"""The tables, one file per kind of thing."""

from db.models.accounts import ApiKey, LoginAttempts, User, UserSession
from db.models.audit import Audit
from db.models.base import Base
from db.models.jobs import Job, JobAttempt
from db.models.kept import JobCheckpoint, JobLog, JobProgress, JobStep
from db.models.limits import Limit, LimitGrant, Pause, UniqueWindow
from db.models.workers import Lease, Worker

__all__ = [
    "ApiKey",
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
    "LoginAttempts",
    "Pause",
    "UniqueWindow",
    "User",
    "UserSession",
    "Worker",
]
