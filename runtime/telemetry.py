"""What the jobs of a worker tell of themselves: progress and logs, written behind their backs, and told live."""

import asyncio

import redis.asyncio

from db.database import Database
from runtime.changes import Changes
from runtime.delivery import Delivery
from runtime.job_logs import JobLogs
from runtime.lease import WorkerLease
from runtime.progress import Progress
from settings import Settings


class Telemetry:
    """Lives on the worker's event loop."""

    def __init__(
        self, settings: Settings, database: Database, connection: redis.asyncio.Redis, lease: WorkerLease
    ) -> None:
        self.changes = Changes(connection)
        self.progress = Progress(database, lease, self.changes)
        self.logs = JobLogs(settings, database, self.changes)

    def start(self) -> None:
        pulses = (self.changes.pulse, self.progress.pulse, self.logs.pulse)
        self._tasks = [asyncio.get_running_loop().create_task(pulse.run()) for pulse in pulses]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def write_last(self, deliveries: list[Delivery]) -> None:
        """Before these runs end: whoever sees a job's end sees its last word too."""
        await self.progress.write_last(deliveries)
        await self.logs.write_last(deliveries)
