"""The tables, one file per kind of thing."""

from db.models.audit import Audit
from db.models.base import Base
from db.models.jobs import Job, JobAttempt
from db.models.kept import JobCheckpoint, JobLog, JobProgress, JobStep
from db.models.limits import Limit, LimitGrant, LimitStart, Pause, UniqueWindow
from db.models.schedules import (
    ScheduledJob,
    ScheduledJobExecution,
    ScheduledJobVersion,
    SchedulerJobType,
    TaskFunction,
)
from db.models.statistics import ErrorGroup, ErrorStatistic, JobStatistic, StatisticsProgress
from db.models.workers import Lease, Worker

__all__ = [
    "Audit",
    "Base",
    "ErrorGroup",
    "ErrorStatistic",
    "Job",
    "JobAttempt",
    "JobCheckpoint",
    "JobLog",
    "JobProgress",
    "JobStatistic",
    "JobStep",
    "Lease",
    "Limit",
    "LimitGrant",
    "LimitStart",
    "Pause",
    "ScheduledJob",
    "ScheduledJobExecution",
    "ScheduledJobVersion",
    "SchedulerJobType",
    "StatisticsProgress",
    "TaskFunction",
    "UniqueWindow",
    "Worker",
]
