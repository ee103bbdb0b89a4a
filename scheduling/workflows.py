"""Whatever of workflows is the clock's, and the net under the rest.

Workers tell a workflow of an ended job in the transaction that ends it. What ends a job otherwise (the rescuer, a
person, the clock, a program that writes the row) leaves it unreported, and it is reported here within a second. Sleeps
and waits that are over, and workflows past their time, are found here too. Any number may run: each takes the
workflows' rows before it decides.
"""

import uuid
from collections.abc import Sequence

import asyncpg
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from db import workflow_jobs, workflow_steps, workflows
from db.database import Database
from runtime.advance import Error, advancing
from runtime.outbox import Outbox
from runtime.patience import AWAY, Seldom, told
from runtime.release import Ended
from runtime.transport import CONTROL

log = structlog.get_logger("callboard")

_PERIOD = 1.0
_AT_ONCE = 500


class Workflows:
    def __init__(self, database: Database, redis: redis.asyncio.Redis, outbox: Outbox) -> None:
        self._database, self._redis, self._outbox = database, redis, outbox
        self._seldom = Seldom()

    async def run_once(self) -> float:
        """Go on with whatever has become due. Returns the seconds until the next look."""
        async with self._database.connection() as connection:
            full = await self._report(connection)
            full |= await self._wake(connection)
            for row in await connection.fetch(workflows.OVERDUE, _AT_ONCE):
                await self._time_out(connection, row["id"])
            for row in await connection.fetch(workflows.STOPPING):
                await self._cancel_jobs(connection, row["id"])
            due_in = await connection.fetchval(workflows.NEXT_DUE)
        if full:
            return 0.0
        return _PERIOD if due_in is None else min(_PERIOD, max(0.0, due_in))

    async def _report(self, connection: asyncpg.Connection) -> bool:
        """Tell workflows of jobs that ended untold."""
        found = await connection.fetch(workflow_jobs.UNREPORTED, _AT_ONCE)
        count = await self._tell(connection, found) if found else 0
        if count:
            log.info("ended jobs were reported to their workflows", count=count)
        return count == _AT_ONCE

    async def _tell(self, connection: asyncpg.Connection, found: Sequence[asyncpg.Record]) -> int:
        """All at once, or one by one if that fails: what cannot be told must not take its neighbours along. Returns of
        how many jobs it was told."""
        try:
            async with advancing(connection, self._outbox, {row["workflow_id"] for row in found}) as advance:
                await advance.report([row["id"] for row in found])
        except AWAY:
            raise
        except Exception:
            if len(found) > 1:
                return sum([await self._tell(connection, [row]) for row in found])
            if self._seldom():
                job, workflow = found[0]["id"], found[0]["workflow_id"]
                log.exception("a workflow could not be told of an ended job", job=str(job), workflow=str(workflow))
            return 0
        return len(found)

    async def _wake(self, connection: asyncpg.Connection) -> bool:
        """End sleeps; fail waits for events that did not come."""
        due = await connection.fetch(workflow_steps.DUE_STEPS, _AT_ONCE)
        if due:
            async with advancing(connection, self._outbox, {row["workflow_id"] for row in due}) as advance:
                steps = await connection.fetch(workflow_steps.STEPS_DUE, [row["id"] for row in due])
                await advance.end([_over(step) for step in steps])
        return len(due) == _AT_ONCE

    async def _time_out(self, connection: asyncpg.Connection, workflow: uuid.UUID) -> None:
        async with advancing(connection, self._outbox, {workflow}) as advance:
            error = Error("TimeLimitExceeded", "The workflow did not end within its time limit.")
            is_saga = await connection.fetchval(workflows.IS_SAGA, workflow)
            if await advance.stop(workflow, error, compensates=is_saga):
                await connection.execute(workflow_jobs.WANT_JOBS_CANCELLED, workflow, "its workflow's time is over")
                log.warning("a workflow exceeded its time limit", workflow=str(workflow))
        try:
            await self._redis.publish(CONTROL, "cancel")
        except RedisError as error:
            log.debug("the workers were not told; they look by themselves every second", error=told(error))

    async def _cancel_jobs(self, connection: asyncpg.Connection, workflow: uuid.UUID) -> None:
        """Jobs of a workflow that stops, which were queued again meanwhile (their worker died)."""
        async with advancing(connection, self._outbox, {workflow}) as advance:
            if advance.state(workflow) in ("failing", "cancelling"):
                await advance.cancel_jobs([workflow])


def _over(step: asyncpg.Record) -> Ended:
    if step["kind"] == "sleep":
        return Ended(step["id"], "succeeded")
    return Ended(step["id"], "failed", error=("EventTimeout", f"The event {step['event']!r} did not come in time."))
