"""ENGINE: from a message to a finished job."""

from runtime.handle import Job, current_job
from runtime.periodic import cron

__all__ = ["Job", "cron", "current_job"]
