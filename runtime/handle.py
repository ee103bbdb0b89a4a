"""`current_job()`: the job that the calling code runs in."""

import asyncio
import functools
import uuid
from collections.abc import Coroutine
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from db import jobs
from db.database import UNAVAILABLE, Database, cause
from errors import LeaseLost
from runtime.blocking import BlockingSession
from runtime.delivery import Delivery
from runtime.patience import patiently

if TYPE_CHECKING:
    from runtime.executor import Executor

_READING = 60.0  # seconds

R = TypeVar("R")

_current: ContextVar["Job | None"] = ContextVar("current_job", default=None)


def current_job() -> "Job":
    """The job that runs here, in an async or a sync actor. Raises RuntimeError outside of one."""
    job = _current.get()
    if job is None:
        raise RuntimeError("current_job() was called outside of a running job. Call it inside an actor.")
    return job


def enter(job: "Job | None") -> None:
    """Make `job` the current one of this task or thread."""
    _current.set(job)


class Job:
    """The run of a job as its actor sees it."""

    def __init__(self, delivery: Delivery, executor: "Executor") -> None:
        self._delivery, self._executor = delivery, executor

    @property
    def id(self) -> uuid.UUID:
        """The same over all attempts: what to pass to others as an idempotency key."""
        return self._delivery.job_id

    @property
    def attempt(self) -> int:
        """Which run this is, from 1; it only grows: a fence for stores that compare."""
        return self._delivery.attempt

    @property
    def queue(self) -> str:
        return str(self._delivery.queue_name)

    @property
    def actor(self) -> str:
        return str(self._delivery.actor_name)

    @property
    def database(self) -> Database:
        """The worker's pool, for statements and sessions besides the job's own transaction."""
        return self._executor.database

    @functools.cached_property
    def log(self) -> structlog.stdlib.BoundLogger:
        """A logger whose lines carry the job's id and attempt."""
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("callboard.job")
        return logger.bind(job=str(self.id), attempt=self.attempt, actor=self.actor)

    def transaction(self) -> "JobTransaction":
        """The actor's own writes and the job's success, committed together or not at all.

        `async with job.transaction() as session` in an async actor, `with job.transaction() as session` in a sync one.
        Once it has committed the job has succeeded, whatever happens after. Raises LeaseLost, everything rolled back,
        if this run was given up in the meantime: so the effect happens once, however often the message is delivered.
        """
        return JobTransaction(self._delivery, self._executor)


class JobTransaction:
    """See `Job.transaction`."""

    def __init__(self, delivery: Delivery, executor: "Executor") -> None:
        self._delivery, self._executor = delivery, executor

    async def __aenter__(self) -> AsyncSession:
        if self._delivery.committed:
            raise RuntimeError("This job's transaction has already been committed; a job has one.")
        self._session = self._executor.outbox.session()
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with self._session as session:
            if error is not None:
                return
            connection = await session.connection()
            run = (self._delivery.job_id, self._delivery.attempt, self._executor.worker)
            won = await connection.exec_driver_sql(jobs.SUCCEED_WITH_WORK, run)
            if won.first() is None:
                raise LeaseLost(f"Run {self._delivery.attempt} of job {self._delivery.job_id} was given up.")
            await self._commit(session, run)
            self._delivery.committed = True

    async def _commit(self, session: AsyncSession, run: tuple[uuid.UUID, int, uuid.UUID]) -> None:
        """If the answer is lost, what became of it is read, not guessed."""
        try:
            await session.commit()
        except DBAPIError as error:
            if not isinstance(cause(error), UNAVAILABLE) or not await self._has_succeeded(run):
                raise

    async def _has_succeeded(self, run: tuple[uuid.UUID, int, uuid.UUID]) -> bool:
        async def read() -> bool:
            async with self._executor.database.connection() as connection:
                return bool(await connection.fetchval(jobs.SUCCEEDED_WITH_WORK, *run))

        try:
            async with asyncio.timeout(_READING):
                return await patiently("reading what became of a commit", read)
        except TimeoutError:
            return False  # not known yet: the end that is written then is refused if it had got through

    def __enter__(self) -> BlockingSession:
        return BlockingSession(self._wait(self.__aenter__()), self._wait)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self.__aexit__(kind, error, traceback))

    def _wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the worker's event loop and wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._executor.loop).result()
