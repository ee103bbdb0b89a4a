"""Runs claimed jobs: async actors as tasks on the event loop, sync ones on Dramatiq's own worker threads."""

import asyncio
import collections
import inspect
import os
import signal
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import redis.asyncio
import structlog
from dramatiq import Actor, Worker
from dramatiq.asyncio import async_to_sync
from dramatiq.common import iter_queue
from dramatiq.errors import Retry
from dramatiq.middleware import SkipMessage
from dramatiq.middleware.shutdown import Shutdown
from dramatiq.middleware.time_limit import TimeLimitExceeded

from db import jobs
from db.database import Database
from runtime import catalogue
from runtime.cancelling import cancel_and_wait
from runtime.checkpoints import Checkpoints
from runtime.claim import Claim
from runtime.control import Control
from runtime.delivery import Delivery, Ending
from runtime.failover import Failover, Run
from runtime.failure import Failure
from runtime.grants import Grants
from runtime.interrupts import Cancelled, GivenUp, Interruption, SoftTimeLimitExceeded
from runtime.lease import WorkerLease, process_name
from runtime.loop_thread import LoopThread
from runtime.outbox import Outbox
from runtime.patience import Seldom, patiently
from runtime.pauses import Pauses
from runtime.recycling import recycle
from runtime.settlement import Settlement
from runtime.slots import Kind, Slots
from runtime.soft_limit import OUT_OF_SOFT_TIME, SoftLimited
from runtime.telemetry import Telemetry
from runtime.threads import Threads
from settings import Settings

if TYPE_CHECKING:
    from runtime.broker import Broker

log = structlog.get_logger("callboard")
R = TypeVar("R")

_ENGINE_POOL = 4  # connections
_LAST_CLAIMS = 2.0  # seconds that claims on their way get when the worker stops
_LAST_RUNS = 3.0  # seconds that cancelled runs get to clean up when the worker stops, or was given up
_PATIENCE = 30.0  # seconds that a statement of the engine may take
_DRAIN = 10.0  # seconds that writing the last endings may take; what is left then is rescued
_UNSTARTED = 0.25  # seconds that a claimed job may wait for its start
_PUT_OFF = 30.0  # seconds until a job is tried again whose claim has failed for a reason that nobody foresaw
_CLEAN_UP = 5.0  # seconds that a cancelled run may take before it is cancelled again
_TIME_LIMIT_PRECISION = 0.05  # seconds
_OUT_OF_TIME = "its time limit is over"  # why a job's task is cancelled
_STOP = "the worker stops"
_LOST = "the worker was given up"
_CANCELLED = "somebody wants it cancelled"
_ENDINGS = {_STOP: Ending.RELEASED, _LOST: Ending.LOST, _CANCELLED: Ending.CANCELLED}
_BRIDGE = async_to_sync(asyncio.sleep).__code__


def coroutine_of(actor: Actor[Any, Any]) -> Callable[..., Awaitable[Any]] | None:
    """The coroutine function behind an async actor, None for a sync one.

    Dramatiq keeps async functions behind a bridge that blocks a thread for each; the engine goes past it.
    """
    if getattr(actor.fn, "__code__", None) is _BRIDGE:
        function = inspect.unwrap(actor.fn, stop=inspect.iscoroutinefunction)
        return function if inspect.iscoroutinefunction(function) else None
    return None


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """A worker that lacks one of these would take messages and do nothing with them. It is better that it ends, and is
    started again by whoever started it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("this worker cannot go on; it ends", error=repr(error), exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


class Executor:
    """A worker process's half of the engine that lives on its event loop, from the claim to the run's end."""

    def __init__(self, broker: "Broker", settings: Settings, worker: Worker, thread: LoopThread) -> None:
        self.broker, self.settings, self._dramatiq, self._thread = broker, settings, worker, thread
        self.slots = Slots(settings.async_concurrency, worker.worker_threads)
        self.stopping = False  # nothing new is started
        self.cannot_fetch = Seldom()  # every queue has a thread that would say so
        self._coroutines = {
            name: coroutine for name, actor in broker.actors.items() if (coroutine := coroutine_of(actor)) is not None
        }
        self._freed: list[Delivery] = []
        self._runs: dict[asyncio.Task[None], Delivery] = {}
        self._has_unknown_claims = False
        self._claims: set[asyncio.Task[Any]] = set()  # on their way
        self._waiting: collections.deque[Delivery] = collections.deque()  # claimed, for the next task that ends
        self._for_threads: collections.deque[Delivery] = collections.deque()  # claimed, for the next free thread
        self.threads = Threads()

    @property
    def worker(self) -> uuid.UUID:
        """Under which id this process claims and ends."""
        return self._lease.worker

    async def open(self) -> None:
        """Make the pools. Call on the loop that will run the jobs, after the fork."""
        self.loop = asyncio.get_running_loop()
        self.database = Database(self.settings)  # for the jobs; they cannot starve the engine, which has its own
        self._engine = Database(self.settings, pool=_ENGINE_POOL, patience=_PATIENCE)
        self.redis = redis.asyncio.Redis.from_url(self.settings.redis, socket_timeout=5, socket_connect_timeout=5)
        self.outbox = Outbox(self.database, self.redis, self.settings.dispatch_window)
        self._lease = WorkerLease(
            self._engine,
            self.settings,
            sorted(self._dramatiq.consumer_whitelist or self.broker.queues),
            self._dramatiq.worker_threads,
        )
        self.checkpoints = Checkpoints(self._engine, self._lease)
        self.pauses = Pauses(self._engine, process_name(os.getpid()))
        self.telemetry = Telemetry(self.settings, self._engine, self.redis, self._lease)
        self.telemetry.start()
        self.grants = Grants(self._engine, self.redis, self.outbox)
        self.settlement = Settlement(
            self._engine,
            self.redis,
            self._lease,
            self.checkpoints,
            self.telemetry,
            self.grants,
            self.outbox,
            self.broker.broker_id,
        )
        self._claim = Claim(
            self.broker,
            self.settings,
            self._engine,
            self._lease,
            self.settlement,
            self.checkpoints,
            self.pauses,
            self.grants,
            self.telemetry,
        )
        self._recycling = self.loop.create_task(recycle(self.settings, self.settlement))
        looks: list[Callable[[], Awaitable[None]]] = [
            self._look_at_pauses,
            self._look_at_wishes,
            self.telemetry.changes.look,
        ]
        self._control = self.loop.create_task(Control(self.redis, looks).run())
        self._watch = self.loop.create_task(self._watch_jobs())
        self._heartbeat = self.loop.create_task(self._lease.keep(self._drop_runs))
        failover = Failover(self._engine, self._lease, self.outbox, self._held)
        self._failover = self.loop.create_task(failover.run())
        for task in (self._control, self._watch, self._heartbeat, self._failover):
            task.add_done_callback(_end_if_failed)
        self._warm_up = self.loop.create_task(patiently("connecting", self._connect))
        self._registration = self.loop.create_task(
            patiently("registering the actors", partial(catalogue.register, self._engine, self.broker))
        )

    def wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the event loop and wait for it in a job's thread. What interrupts the job meanwhile
        cancels it, and is raised once it has ended."""
        return self._thread.run_coroutine(coroutine)

    async def close(self) -> None:
        """Write what has ended, then let go of the pools."""
        self._recycling.cancel()
        self._watch.cancel()
        self._control.cancel()
        self._failover.cancel()
        self._warm_up.cancel()
        self._registration.cancel()
        try:
            async with asyncio.timeout(_DRAIN):
                if self._claims:  # what they are about to get is given back
                    await asyncio.wait(self._claims)
                await self.settlement.drain()
                self._heartbeat.cancel()
                if not self._has_unknown_claims:  # else its row must stay until what it may have claimed is rescued
                    await patiently("unregistering the worker", self._lease.unregister)
        except TimeoutError:
            log.error("the last jobs' ends could not be written; they will be rescued")  # noqa: TRY400
        self.telemetry.stop()
        await self.outbox.drain()
        await self.redis.aclose()
        await self.database.close()
        await self._engine.close()

    async def _connect(self) -> None:
        """Do what the first jobs would otherwise wait for: two connections, which have planned how to claim and end."""
        async with self._engine.connection() as one, self._engine.connection() as other:
            for connection in (one, other):
                await connection.fetch(jobs.CLAIM, [], [], self.worker)
                await connection.fetch(jobs.SUCCEED, [], [], [], self.worker)
            await self.redis.ping()

    def give_back(self) -> None:
        """What is claimed and has not been started goes back to the queue."""
        while self._waiting:
            delivery = self._waiting.popleft()
            delivery.ending = Ending.RELEASED
            self._free(delivery)
            self.settlement.settle(delivery)
        for item in iter_queue(self._dramatiq.work_queue):
            self._dramatiq.work_queue.task_done()
            item.message.ending = Ending.RELEASED
            item.message.free_slot()
            self.settlement.settle(item.message)

    def _give_back_unstarted(self) -> None:
        """Jobs were short and some were claimed ahead; now they are long: others may have room for those."""
        while self._for_threads and self._for_threads[0].started:
            self._for_threads.popleft()
        long_ago = self.loop.time() - _UNSTARTED
        if any(claimed and claimed[0].claimed_at < long_ago for claimed in (self._waiting, self._for_threads)):
            self.give_back()
            self._for_threads.clear()

    async def stop(self) -> None:
        """Interrupt the jobs that still run, which go back to the queue, and claims that get no answer."""
        if self._claims:
            await asyncio.wait(self._claims, timeout=_LAST_CLAIMS)
        for claim in self._claims:
            self._has_unknown_claims = True
            claim.cancel()
        for delivery in self.threads.running():
            if self._hears_of_stops(delivery):
                self.threads.interrupt(delivery, Shutdown)
        await self._cancel_runs(_STOP)

    def _hears_of_stops(self, delivery: Delivery) -> bool:
        """Not, if its actor or its message says `notify_shutdown=False`: then it is left to end by itself."""
        options = self.broker.actors[delivery.actor_name].options | delivery.options
        return bool(options.get("notify_shutdown", True))

    async def _drop_runs(self) -> None:
        """This worker was given up: its jobs may run elsewhere already."""
        for delivery in self.threads.running():
            self.threads.interrupt(delivery, GivenUp)
        while self._waiting:
            delivery = self._waiting.popleft()
            delivery.ending = Ending.LOST
            self._free(delivery)
            self.settlement.settle(delivery)
        await self._cancel_runs(_LOST)

    async def _cancel_runs(self, reason: str) -> None:
        mine = list(self._runs)
        for delivery in self._runs.values():
            delivery.interrupted = reason
        if deaf := await cancel_and_wait(mine, reason, within=_LAST_RUNS):
            names = sorted(str(self._runs[task]) for task in deaf if task in self._runs)
            log.error("jobs go on though they are cancelled; nobody waits for them any longer", jobs=names)

    def kind(self, actor_name: str) -> Kind:
        """What a job of this actor takes."""
        return Kind.TASK if actor_name in self._coroutines else Kind.THREAD

    async def claim(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Claim a fetched batch: start its async jobs, return its sync ones for the threads, drop the rest."""
        claiming = asyncio.current_task()
        assert claiming is not None
        self._claims.add(claiming)
        begun: list[Delivery] = []
        for_threads: list[Delivery] = []
        try:
            async for claimed in self._claim.won(deliveries):
                begun += claimed
                for_threads += self._start_claimed(claimed)
        except Exception:
            lost = [delivery for delivery in deliveries if delivery not in begun]
            log.exception("a batch of messages could not be claimed", count=len(lost))
            for delivery in lost:
                delivery.free_slot()
                if delivery.is_claimed:  # its row says that it runs here
                    delivery.ending, delivery.retry_in = Ending.RELEASED, _PUT_OFF
                    self.settlement.settle(delivery)
                # The others' rows still say that somebody has their messages. The reconciler sends them again.
        finally:
            self._claims.discard(claiming)
        return for_threads

    def _start_claimed(self, claimed: list[Delivery]) -> list[Delivery]:
        """Start the async jobs, as far as there is room now. Returns the sync ones."""
        for_threads: list[Delivery] = []
        for delivery in claimed:
            if delivery.kind is not Kind.TASK:
                for_threads.append(delivery)
            elif len(self._runs) < self.settings.async_concurrency and not self.stopping:
                self._start(delivery)
            else:
                self._waiting.append(delivery)
        self._for_threads.extend(for_threads)
        if self.stopping:  # it began to while the claim was on its way
            self.give_back()
        return for_threads

    def _start(self, delivery: Delivery) -> None:
        delivery.time_limit = self.broker.time_limit.seconds(self.broker.actors[delivery.actor_name], delivery)
        delivery.deadline = self.loop.time() + delivery.time_limit
        self.set_soft_deadline(delivery)
        task = self.loop.create_task(self._run(delivery))
        self._runs[task] = delivery
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Its run is over: give its slot back and write how it ended."""
        delivery = self._runs.pop(task)
        if delivery.ending is None:  # cancelled before its first step, or the code around it failed
            failed = None if task.cancelled() else task.exception()
            delivery.ending = Ending.RELEASED if failed is None else Ending.FAILED
            delivery.failure = Failure.of(failed) if failed else None
        self.settlement.settle(delivery)
        self._free(delivery)
        if self._waiting and not self.stopping:
            self._start(self._waiting.popleft())

    def _free(self, delivery: Delivery) -> None:
        if not self._freed:
            self.loop.call_soon(self._free_slots)
        self._freed.append(delivery)

    def _free_slots(self) -> None:
        """Give back the slots of all runs that ended in this turn of the loop at once."""
        self.slots.give(Kind.TASK, len(self._freed))
        self._freed.clear()

    async def _watch_jobs(self) -> None:
        """End what has run too long. One look at all jobs now and then costs less than a timer for each."""
        while True:
            await asyncio.sleep(_TIME_LIMIT_PRECISION)
            self._give_back_unstarted()
            now = self.loop.time()
            for task, delivery in self._runs.items():
                if now >= delivery.deadline:
                    why = delivery.interrupted if delivery.interrupted in _ENDINGS else _OUT_OF_TIME
                    self._interrupt(task, delivery, why)
                elif now >= delivery.soft_deadline:
                    delivery.soft_deadline, delivery.interrupted = float("inf"), OUT_OF_SOFT_TIME
                    task.cancel(OUT_OF_SOFT_TIME)
            for delivery in self.threads.running():
                if now >= delivery.soft_deadline:
                    delivery.soft_deadline = float("inf")
                    self.threads.interrupt(delivery, SoftTimeLimitExceeded)

    def set_soft_deadline(self, delivery: Delivery) -> None:
        limit = self.broker.time_limit.soft_seconds(self.broker.actors[delivery.actor_name], delivery)
        delivery.soft_deadline = self.loop.time() + limit

    async def _look_at_pauses(self) -> None:
        """What was claimed and has not been started goes back, when something is paused; it may be of that."""
        if await self.pauses.look():
            self.give_back()

    async def _look_at_wishes(self) -> None:
        """Do what somebody wants of the jobs that run here."""
        async with self._engine.connection() as connection:
            rows = await connection.fetch(jobs.CONTROLLED, self.worker)
        if rows:
            tasks = {delivery.job_id: task for task, delivery in self._runs.items()}
            mine = {(delivery.job_id, delivery.attempt): delivery for delivery in self._here()}
            for row in rows:
                delivery = mine.get((row["id"], row["attempt"]))
                if delivery is not None and delivery.control != row["control"]:
                    delivery.control, delivery.reason = row["control"], row["control_reason"] or ""
                    if delivery.control == "cancel":
                        self._cancel(delivery, tasks.get(delivery.job_id))

    def _here(self) -> list[Delivery]:
        """What is claimed, begun or not, and has not ended."""
        return [*self._runs.values(), *self._waiting, *self._for_threads, *self.threads.running()]

    def _held(self) -> set[Run]:
        """The runs that go on here; not those that their own transaction has ended."""
        return {(delivery.job_id, delivery.attempt) for delivery in self._here() if not delivery.committed}

    def _cancel(self, delivery: Delivery, task: asyncio.Task[None] | None) -> None:
        """One that has not started yet is given back when it is about to."""
        if task is not None:
            self._interrupt(task, delivery, _CANCELLED)
        else:
            self.threads.interrupt(delivery, Cancelled)

    def _interrupt(self, task: asyncio.Task[None], delivery: Delivery, why: str) -> None:
        """Cancel a run, which may clean up a while; again after that, should it not have heard of it."""
        delivery.interrupted = why
        delivery.deadline, delivery.soft_deadline = self.loop.time() + _CLEAN_UP, float("inf")
        task.cancel(why)

    async def _run(self, delivery: Delivery) -> None:
        """An async job's whole run: what Dramatiq's WorkerThread does for a sync one, without the thread."""
        try:
            self.broker.emit_before("process_message", delivery)
            result = None
            if not delivery.failed:
                coroutine = self._coroutines[delivery.actor_name](*delivery.args, **delivery.kwargs)
                is_limited = delivery.soft_deadline != float("inf")
                result = await (SoftLimited(coroutine, delivery) if is_limited else coroutine)
        except SkipMessage:
            self.broker.emit_after("skip_message", delivery)
        except Interruption as interruption:
            interruption.settle(delivery)
            self.broker.emit_after("skip_message", delivery)
        except asyncio.CancelledError as error:
            self._interrupted(delivery, error)
        except BaseException as error:  # noqa: BLE001 (an actor's SystemExit must not end the worker)
            self._report(delivery, error)
            self.broker.emit_after("process_message", delivery, exception=error)
        else:
            self.broker.emit_after("process_message", delivery, result=result)
        kind = "nack" if delivery.failed else "ack"
        self.broker.emit_before(kind, delivery)
        self.broker.emit_after(kind, delivery)

    def _interrupted(self, delivery: Delivery, error: BaseException) -> None:
        """The job's task was cancelled: its time is up, the worker stops, or the job's own code did it."""
        if delivery.interrupted in _ENDINGS:
            delivery.ending = _ENDINGS[delivery.interrupted]
            self.broker.emit_after("skip_message", delivery)
            return
        if delivery.interrupted == _OUT_OF_TIME:
            message = f"ran longer than its time limit of {delivery.time_limit:g} s"
            error = TimeLimitExceeded(message).with_traceback(error.__traceback__)
        self._report(delivery, error)
        self.broker.emit_after("process_message", delivery, exception=error)

    def _report(self, delivery: Delivery, error: BaseException) -> None:
        throws = self.broker.actors[delivery.actor_name].options.get("throws")
        if isinstance(error, Retry):
            log.info("job asked to be run again", job=str(delivery), why=str(error))
        elif throws and isinstance(error, throws):
            log.info("job failed as its actor expects", job=str(delivery), error=type(error).__name__)
        else:
            failure = Failure.of(error)
            log.error("job failed", job=str(delivery), error=failure.type, traceback=failure.traceback)
