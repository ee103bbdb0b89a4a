"""What a PostgreSQL that has started anew may have forgotten: how runs ended.

A standby that lagged behind, or a snapshot that was put back, believes of some runs that they go on here, which have
ended. This worker lives, so nobody would rescue them. It knows what it runs, and gives back the rest: the jobs are run
again, and use up no attempt. Where nothing was forgotten this costs one look.
"""

import asyncio
import uuid
from collections.abc import Callable

import structlog

from db import jobs, limits, workers
from db.database import Database
from runtime.lease import WorkerLease
from runtime.outbox import Outbox
from runtime.patience import patiently
from runtime.transport import WAKE, Notice

log = structlog.get_logger("callboard")

Run = tuple[uuid.UUID, int]  # a job and its attempt

_ON_THEIR_WAY = 10.0  # seconds


class Failover:
    """Lives on the worker's event loop. `held` says which runs go on here; for `patience` seconds claims may be on
    their way to it, and endings on theirs to the database."""

    def __init__(
        self,
        database: Database,
        lease: WorkerLease,
        outbox: Outbox,
        held: Callable[[], set[Run]],
        patience: float = _ON_THEIR_WAY,
    ) -> None:
        self._database, self._lease, self._outbox, self._held = database, lease, outbox, held
        self._patience = patience

    async def run(self) -> None:
        """Look, for ever, each time that the lease has met another server."""
        while True:
            await self._lease.other_server.wait()
            self._lease.other_server.clear()
            believed = await patiently("reading what runs here", self._believed)
            if believed - self._held():
                await asyncio.sleep(self._patience)
            if over := believed - self._held():
                await self._give_back(sorted(over))

    async def _believed(self) -> set[Run]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(workers.RUNS, self._lease.worker)
        return {(row["id"], row["attempt"]) for row in rows}

    async def _give_back(self, runs: list[Run]) -> None:
        ids, attempts = [job for job, _ in runs], [attempt for _, attempt in runs]

        async def attempt() -> list[uuid.UUID]:
            async with self._database.connection() as connection, connection.transaction():
                delays = [0.0] * len(runs)
                rows = await connection.fetch(jobs.RELEASE, ids, attempts, delays, self._lease.worker)
                await connection.execute(limits.LOOK_AGAIN, [row["id"] for row in rows])
            return [row["id"] for row in rows]

        released = await patiently("giving back runs that are over", attempt)
        if released:
            log.warning(
                "PostgreSQL had forgotten how runs ended; their jobs are queued again",
                count=len(released), jobs=[str(job) for job in released[:10]],
            )  # fmt: skip
            self._outbox.send([Notice(WAKE, "queued again")])
