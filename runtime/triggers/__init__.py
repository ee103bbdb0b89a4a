"""When a schedule runs: from its configuration, as JSON, to the moments it means. Pure: nothing here looks at a clock.

    {"seconds": 30}                             interval       elapsed time, whatever the clocks on the wall do
    {"expression": "0 9 * * mon-fri"}           cron           what cron means, on the wall clock of a time zone
    {"run_at": "2027-01-01T09:00"}              date           once
    {"any": [{"type": "cron", ...}, ...]}       combination    whenever one of them does; with "all": when all do

More kinds are added with `register`. docs/scheduling.md says in plain words what they mean when clocks change.
"""

from runtime.triggers.clock import ZONES, zone_of
from runtime.triggers.kinds import JOB_TYPES, JobType, build, register
from runtime.triggers.preview import Mark, PlannedRun, next_runs
from runtime.triggers.trigger import Trigger

__all__ = [
    "JOB_TYPES", "ZONES", "JobType", "Mark", "PlannedRun", "Trigger", "build", "next_runs", "register", "zone_of",
]  # fmt: skip
