"""Schedules: what callers may ask of them, in their own transaction. The scheduler is told when that has committed."""

from services.schedules.backfill import Backfill, backfill
from services.schedules.backfill import plan as plan_backfill
from services.schedules.defaults import Default, seed
from services.schedules.files import Imported, dump, load
from services.schedules.history import Execution, executions
from services.schedules.overview import Status, job_types, preview, status, task_functions, trigger_text
from services.schedules.spec import ScheduleSpec
from services.schedules.store import (
    create,
    delete,
    edit,
    find,
    get,
    listed,
    moment,
    replace,
    require_changeable,
    spec_of,
    trigger,
    versions,
)
from services.schedules.switch import is_off, set_enabled, turn_off

__all__ = [
    "Backfill", "Default", "Execution", "Imported", "ScheduleSpec", "Status", "backfill", "create", "delete", "dump",
    "edit", "executions", "find", "get", "is_off", "job_types", "listed", "load", "moment",
    "plan_backfill", "preview", "replace", "require_changeable", "seed", "set_enabled", "spec_of", "status",
    "task_functions", "trigger", "trigger_text", "turn_off", "versions",
]  # fmt: skip
