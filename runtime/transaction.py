"""Transactions of a job: its own writes, committed together with what they mean for the job."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db import checkpoints, jobs
from db.database import UNAVAILABLE, cause
from errors import LeaseLost
from runtime.advance import Advance
from runtime.blocking import BlockingSession
from runtime.checkpoint import Checkpoint
from runtime.delivery import Delivery
from runtime.patience import patiently

if TYPE_CHECKING:
    from runtime.executor import Executor

_READING = 60.0  # seconds

R = TypeVar("R")


class JobTransaction:
    """`async with` it in an async actor, `with` it in a sync one; it gives a session. Raises LeaseLost, everything
    rolled back, if this run was given up in the meantime."""

    def __init__(self, delivery: Delivery, executor: "Executor") -> None:
        self._delivery, self._executor = delivery, executor
        self._run = (delivery.job_id, delivery.attempt, executor.worker)

    async def __aenter__(self) -> AsyncSession:
        if self._delivery.committed:
            raise RuntimeError("This job's transaction has already been committed: it has succeeded.")
        self._session = self._executor.outbox.session()
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with self._session as session:
            if error is None:
                await self._fence(await session.connection())
                await self._commit(session)

    def __enter__(self) -> BlockingSession:
        return BlockingSession(self._wait(self.__aenter__()), self._wait)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self.__aexit__(kind, error, traceback))

    async def _fence(self, connection: AsyncConnection) -> None:
        """Write what the transaction means for the job, if this run still counts."""
        raise NotImplementedError

    async def _commit(self, session: AsyncSession) -> None:
        raise NotImplementedError

    async def _require(self, connection: AsyncConnection, statement: str, *more: Any) -> None:
        if (await connection.exec_driver_sql(statement, (*self._run, *more))).first() is None:
            raise LeaseLost(f"Run {self._delivery.attempt} of job {self._delivery.job_id} was given up.")

    def _wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the worker's event loop and wait for it in this thread."""
        return self._executor.wait(coroutine)


class SuccessTransaction(JobTransaction):
    """Ends the job as succeeded."""

    async def _fence(self, connection: AsyncConnection) -> None:
        """A workflow is told here, too, if the job's result is known already (`job.set_result`); else once the actor
        has returned it."""
        await self._executor.telemetry.write_last([self._delivery])
        if self._delivery.workflow_id is None or not self._delivery.has_result:
            await self._require(connection, jobs.SUCCEED_WITH_WORK)
            return
        await connection.exec_driver_sql("select")  # SQLAlchemy begins its transaction with the first statement
        bare = (await connection.get_raw_connection()).driver_connection
        advance = Advance(bare, self._executor.outbox)
        try:
            await advance.lock([self._delivery.workflow_id])
            await self._require(connection, jobs.SUCCEED_WITH_WORK)
            await self._require(connection, jobs.STORE_RESULT, self._delivery.result)
            await advance.report([self._delivery.job_id])
            await advance.settle()
        finally:
            self._executor.outbox.post(self._session, advance.envelopes)

    async def _commit(self, session: AsyncSession) -> None:
        """If the answer is lost, what became of it is read, not guessed."""
        try:
            await session.commit()
        except DBAPIError as error:
            if not isinstance(cause(error), UNAVAILABLE) or not await self._has_succeeded():
                raise
        self._delivery.committed = True

    async def _has_succeeded(self) -> bool:
        async def read() -> bool:
            async with self._executor.database.connection() as connection:
                return bool(await connection.fetchval(jobs.SUCCEEDED_WITH_WORK, *self._run))

        try:
            async with asyncio.timeout(_READING):
                return await patiently("reading what became of a commit", read)
        except TimeoutError:
            return False  # not known yet: the end that is written then is refused if it had got through


class CheckpointTransaction(JobTransaction):
    """Saves a checkpoint, and the job goes on. Should the commit's answer be lost the run fails, and the next one reads
    how far it had come."""

    def __init__(
        self, delivery: Delivery, executor: "Executor", kept: Checkpoint, item: str | None, saved: Callable[[], None]
    ) -> None:
        super().__init__(delivery, executor)
        self._kept, self._item, self._saved = kept, item, saved

    async def _fence(self, connection: AsyncConnection) -> None:
        await self._require(connection, checkpoints.HOLD)
        job, attempt, worker = self._run
        for name in [*self._delivery.checkpoint.items, *([self._item] if self._item else [])]:
            await connection.exec_driver_sql(checkpoints.KEEP_ITEMS, ([job], [attempt], [name], worker))
        await connection.exec_driver_sql(checkpoints.SAVE, ([job], [attempt], [self._kept.encode()], worker))

    async def _commit(self, session: AsyncSession) -> None:
        # Whatever comes of it: what is in memory must not be written over it when the run ends.
        self._delivery.checkpoint.take_items()
        await session.commit()
        self._saved()


class StepTransaction(JobTransaction):
    """Keeps the result of a step, together with what the step has written."""

    def __init__(self, delivery: Delivery, executor: "Executor", name: str) -> None:
        super().__init__(delivery, executor)
        self._name = name
        self.result: str | None = None  # JSON; to be set before the transaction ends

    async def _fence(self, connection: AsyncConnection) -> None:
        await self._require(connection, checkpoints.HOLD)
        values = (self._delivery.job_id, self._name, self._delivery.attempt, self.result)
        await connection.exec_driver_sql(checkpoints.KEEP_STEP, values)

    async def _commit(self, session: AsyncSession) -> None:
        await session.commit()
