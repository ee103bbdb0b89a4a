"""The tables, one file per kind of thing."""

from db.models.accounts import ApiKey, LoginAttempts, User, UserSession
from db.models.audit import Audit
from db.models.base import Base
from db.models.emails import Alert, Email, EmailEvent, Suppression
from db.models.housekeeping import AccessToken, DeploymentJob, DesktopSession, DomainUser, HealthCheck
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
from db.models.submissions import IdempotencyKey, JobMetadata
from db.models.views import SavedView
from db.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage
from db.models.workers import Lease, Release, Worker
from db.models.workflows import Workflow, WorkflowEdge, WorkflowEvent, WorkflowItems, WorkflowStep

__all__ = [
    "AccessToken",
    "Alert",
    "ApiKey",
    "Audit",
    "Base",
    "DeploymentJob",
    "DesktopSession",
    "DomainUser",
    "Email",
    "EmailEvent",
    "ErrorGroup",
    "ErrorStatistic",
    "HealthCheck",
    "IdempotencyKey",
    "Job",
    "JobAttempt",
    "JobCheckpoint",
    "JobLog",
    "JobMetadata",
    "JobProgress",
    "JobStatistic",
    "JobStep",
    "Lease",
    "Limit",
    "LimitGrant",
    "LimitStart",
    "LoginAttempts",
    "Pause",
    "Release",
    "SavedView",
    "ScheduledJob",
    "ScheduledJobExecution",
    "ScheduledJobVersion",
    "SchedulerJobType",
    "StatisticsProgress",
    "Suppression",
    "TaskFunction",
    "UniqueWindow",
    "User",
    "UserSession",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
    "Worker",
    "Workflow",
    "WorkflowEdge",
    "WorkflowEvent",
    "WorkflowItems",
    "WorkflowStep",
]
