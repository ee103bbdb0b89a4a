"""`current_job()`: the job that the calling code runs in."""

import functools
import inspect
import time
import uuid
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import structlog
from dramatiq import Actor

from db.database import Database
from runtime import enqueue, payload
from runtime.checkpoint import Checkpoint
from runtime.delivery import Delivery
from runtime.each import Each
from runtime.interrupts import Cancelled, Retry, Snooze, pause_if_wanted
from runtime.options import Options
from runtime.progress import read_report
from runtime.slots import Kind
from runtime.steps import Steps
from runtime.transaction import CheckpointTransaction, JobTransaction, SuccessTransaction

if TYPE_CHECKING:
    from runtime.executor import Executor

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

LOGGER = "callboard.job"  # what `job.log` is called among the loggers
_HOLD = 0.05  # seconds that a job which reports may keep the loop to itself
_UNCHANGED: Any = object()

_current: ContextVar["Job | None"] = ContextVar("current_job", default=None)


def current_job() -> "Job":
    """The job that runs here, in an async or a sync actor. Raises RuntimeError outside of one."""
    job = _current.get()
    if job is None:
        raise RuntimeError("current_job() was called outside of a running job. Call it inside an actor.")
    return job


def running() -> Delivery | None:
    """The run that the calling code belongs to."""
    job = _current.get()
    return None if job is None else job.delivery


def enter(job: "Job | None") -> None:
    """Make `job` the current one of this task or thread."""
    _current.set(job)


class Breath(Awaitable[None]):
    """Lets the others on the loop go on for a moment: a job that computes, and awaits nothing but its progress, can be
    seen, and cancelled."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield


class Done(Awaitable[R], Generic[R]):
    """What a verb gives in a sync actor: it has been done."""

    def __init__(self, value: R) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, Any, R]:
        yield from ()
        return self._value


class Job:
    """The run of a job as its actor sees it.

    The verbs that reach the database are awaited in async actors and simply called in sync ones, where they have been
    done when they return.
    """

    Snooze = Snooze
    Cancel = Cancelled
    Retry = Retry

    def __init__(self, delivery: Delivery, executor: "Executor") -> None:
        self._delivery, self._executor = delivery, executor
        self._steps = Steps(delivery, executor)
        self._breathed_at = float("-inf")

    @property
    def id(self) -> uuid.UUID:
        """The same over all attempts: what to pass to others as an idempotency key."""
        return self._delivery.job_id

    @property
    def attempt(self) -> int:
        """Which run this is, from 1; it only grows: a fence for stores that compare."""
        return self._delivery.attempt

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job fails for good if this run does."""
        return self._delivery.max_attempts is not None and self._delivery.attempt >= self._delivery.max_attempts

    @property
    def queue(self) -> str:
        return str(self._delivery.queue_name)

    @property
    def actor(self) -> str:
        return str(self._delivery.actor_name)

    @property
    def delivery(self) -> Delivery:
        """The engine's own view of this run."""
        return self._delivery

    @property
    def database(self) -> Database:
        """The worker's pool, for statements and sessions besides the job's own transactions."""
        return self._executor.database

    @functools.cached_property
    def log(self) -> structlog.stdlib.BoundLogger:
        """A logger whose lines carry the job's id and attempt. They are kept with the job, as is all else that is
        logged inside of it: `callboard jobs logs`."""
        logger: structlog.stdlib.BoundLogger = structlog.get_logger(LOGGER)
        return logger.bind(job=str(self.id), attempt=self.attempt, actor=self.actor)

    def transaction(self, *, checkpoint: Any = _UNCHANGED) -> JobTransaction:
        """The actor's own writes and the job's success, committed together or not at all.

        `async with job.transaction() as session` in an async actor, `with job.transaction() as session` in a sync one.
        Once it has committed the job has succeeded, whatever happens after. Raises LeaseLost, everything rolled back,
        if this run was given up in the meantime: so the effect happens once, however often the message is delivered.

        With `checkpoint=` the writes are committed together with that checkpoint instead, and the job goes on.
        """
        if checkpoint is _UNCHANGED:
            return SuccessTransaction(self._delivery, self._executor)

        def saved() -> None:
            self._delivery.checkpoint.data = checkpoint

        kept = Checkpoint(checkpoint, self._delivery.checkpoint.loops)
        return CheckpointTransaction(self._delivery, self._executor, kept, None, saved)

    def progress(
        self, current: float, total: float | None = None, message: str | None = None, **extra: Any
    ) -> Awaitable[None]:
        """Tell how far the job has come: `await job.progress(40, 100, "reading")`, in a sync actor without await.

        Cheap: call it as often as you like. At most two words a second are written, the last one always. `extra` is
        JSON, up to 16 KiB, for whoever shows it. Raises BadArguments or TooLarge.
        """
        self._delivery.reports_itself = True
        report = read_report(current, total, message, extra)
        self._executor.telemetry.progress.report(self._delivery, report)
        return self._breathe()

    def _breathe(self) -> Awaitable[None]:
        now = time.monotonic()
        if self._delivery.kind is not Kind.TASK or now - self._breathed_at < _HOLD:
            return Done(None)
        self._breathed_at = now
        return Breath()

    @property
    def resumed_from(self) -> Any:
        """What the last `checkpoint` has kept, in this attempt or an earlier one; None if there was none."""
        return self._delivery.checkpoint.data

    def checkpoint(self, data: Any) -> Awaitable[None]:
        """Keep `data` (JSON, up to 256 KiB) for the next attempt, should there be one; also a point to be paused at.

        Raises BadArguments or TooLarge, and LeaseLost if this run was given up.
        """
        return self._do(self._checkpoint(data))

    async def _checkpoint(self, data: Any) -> None:
        kept = self._delivery.checkpoint
        Checkpoint(data, kept.loops).encode()  # raises what is wrong with it, before it is taken
        kept.data = data
        await self._executor.checkpoints.save(self._delivery, kept)
        pause_if_wanted(self._delivery)

    def set_result(self, value: Any) -> None:
        """What the job returns, said before it returns. In a workflow a job that ends in its own `transaction()`
        thereby releases its successors in that very transaction; else they are released once the actor has returned.

        Raises BadArguments or TooLarge.
        """
        self._delivery.result, self._delivery.has_result = payload.encode_result(value), True

    def pause_point(self) -> Awaitable[None]:
        """Where the job may be paused, when somebody wants that: it then goes on from its last checkpoint."""
        pause_if_wanted(self._delivery)
        return Done(None)

    def each(
        self,
        items: Iterable[T] | AsyncIterable[T],
        *,
        every: int = 10,
        seconds: float = 5.0,
        key: Callable[[T], Any] | None = None,
        name: str = "each",
        total: float | None = None,
    ) -> Each[T]:
        """`async for item in job.each(items)`: with progress, a checkpoint every 10 items or 5 s, and pause and cancel
        between items. After an interruption it goes on after the last item that was done and saved.

        `items` must come in the same order each time; with `key=` (an item's id) the order does not matter, and the ids
        of those done are remembered. A second loop in the same job needs a `name` of its own. Items whose writes are
        made in `async with loop.transaction()` are done once.
        """
        return Each(
            self._delivery, self._executor, self._steps, items,
            every=every, seconds=seconds, key=key, name=name, total=total,
        )  # fmt: skip

    @overload
    def step(
        self, name: str, function: Callable[..., Coroutine[Any, Any, R]], *args: Any, **kwargs: Any
    ) -> Awaitable[R]: ...
    @overload
    def step(self, name: str, function: Callable[..., R], *args: Any, **kwargs: Any) -> R: ...

    def step(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function` once in the job's life: `await job.step("charge", charge, order)`; in a sync actor without
        await. Its result (JSON, up to 256 KiB) is kept, and later attempts get that.

        If it has a parameter `session` it is given one, and what it writes there is committed together with the result;
        otherwise it may be called again if the worker dies between its end and the writing of its result. The names of
        a job's steps differ.
        """
        if inspect.iscoroutinefunction(function):
            return self._steps.call(name, function, args, kwargs)
        return self._steps.call_blocking(name, function, args, kwargs)

    def spawn(self, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Awaitable[uuid.UUID]:
        """Enqueue a child of this job, at once. Returns its id.

        An attempt after this one would do it again: call it in a step, or enqueue in `job.transaction()`, to have one.
        """
        return self.spawn_with(Options(), actor, *args, **kwargs)

    def spawn_with(
        self, options: Options, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[uuid.UUID]:
        """`spawn` with options."""
        return self._do(self._spawn(options, enqueue.bind(actor, args, kwargs)))

    async def _spawn(self, options: Options, call: enqueue.Call) -> uuid.UUID:
        async with self._executor.outbox.session() as session:
            enqueued = await enqueue.enqueue(session, options.under(self.id), call)
            await session.commit()
        return enqueued.id

    def _do(self, coroutine: Coroutine[Any, Any, R]) -> Awaitable[R]:
        """To be awaited in an async actor; done on the worker's loop, and waited for, in a sync one."""
        if self._delivery.kind is Kind.TASK:
            return coroutine
        return Done(self._executor.wait(coroutine))
