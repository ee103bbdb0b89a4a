"""The engine's place in Dramatiq's middleware: starts and stops the executor, and notes how each run ends."""

import sys
from typing import TYPE_CHECKING, Any

import dramatiq
import structlog
from dramatiq import Middleware, Worker
from dramatiq.asyncio import set_event_loop_thread
from dramatiq.middleware import SkipMessage
from dramatiq.middleware.shutdown import Shutdown

from errors import BadRequest, LeaseLost
from runtime import collector, handle, payload
from runtime.capture import Capture
from runtime.delivery import Delivery, Ending
from runtime.executor import Executor
from runtime.failure import Failure
from runtime.interrupts import Interruption
from runtime.loop_thread import LoopThread
from runtime.process import Stop
from runtime.slots import Kind
from settings import Settings

if TYPE_CHECKING:
    from runtime.broker import Broker

_SWITCH_INTERVAL = 0.0005  # seconds; a consumer thread should not wait Python's 5 ms for a busy event loop

log = structlog.get_logger("callboard")


class Tracking(Middleware):
    """Must be the first in the list: before-hooks of the others find the current job, and its after-hook runs last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._executor: Executor | None = None
        self._stop: Stop | None = None

    @property
    def actor_options(self) -> set[str]:
        return {"notify_shutdown"}

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        self._stop = Stop(self._take_nothing_new)
        collector.freeze()

    def before_worker_boot(self, broker: "Broker", worker: Worker) -> None:  # type: ignore[override]
        sys.setswitchinterval(_SWITCH_INTERVAL)
        self._thread = LoopThread()
        executor = Executor(broker, self._settings, worker, self._thread)
        self._thread.start(timeout=10)
        set_event_loop_thread(self._thread)
        self._thread.run_coroutine(executor.open())
        broker.executor = self._executor = executor
        self._capture = Capture(executor.telemetry.logs, self._settings)
        self._capture.install()

    def before_worker_shutdown(self, broker: "Broker", worker: Worker) -> None:  # type: ignore[override]
        """Take nothing new; give what runs its grace. What is left then, `stop` interrupts: Dramatiq's own
        ShutdownNotifications walks over a set that the threads change as their jobs end, and misses some."""
        executor = broker.executor
        executor.stopping = True
        executor.loop.call_soon_threadsafe(executor.give_back)
        while self._stop is not None and self._stop.has_time and not executor.slots.wait_until_idle(timeout=1):
            log.debug("waiting for the jobs that run")
        executor.slots.wait_until_idle(self._settings.shutdown_grace)
        self._thread.run_coroutine(executor.stop())

    def after_worker_shutdown(self, broker: "Broker", worker: Worker) -> None:  # type: ignore[override]
        self._capture.remove()
        self._thread.run_coroutine(broker.executor.close())
        self._thread.stop()
        set_event_loop_thread(None)

    def before_process_message(self, broker: "Broker", message: Any) -> None:  # type: ignore[override]
        if isinstance(message, Delivery):
            if broker.executor.stopping or message.control:
                message.ending = Ending.RELEASED
                raise SkipMessage("the worker stops, or the job is not to run")
            message.started = True
            if message.kind is Kind.THREAD:
                broker.executor.set_soft_deadline(message)
                broker.executor.threads.enter(message)
            handle.enter(handle.Job(message, broker.executor))

    def after_process_message(  # type: ignore[override]
        self, broker: "Broker", message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if not isinstance(message, Delivery):
            return
        handle.enter(None)
        if message.kind is Kind.THREAD:
            broker.executor.threads.leave(message)
        if message.committed:
            self._after_commit(message, result, exception)
        elif isinstance(exception, Interruption):
            exception.settle(message)
        elif isinstance(exception, Shutdown):
            message.ending = Ending.RELEASED
        elif isinstance(exception, LeaseLost):
            message.ending = Ending.LOST
        elif exception is not None:
            message.ending, message.failure = Ending.FAILED, Failure.of(exception)
        else:
            self._succeeded(message, result)

    def after_skip_message(self, broker: "Broker", message: Any) -> None:  # type: ignore[override]
        """A middleware (an age limit, say) would not let it run."""
        if isinstance(message, Delivery):
            handle.enter(None)
            if message.kind is Kind.THREAD:
                broker.executor.threads.leave(message)
            message.failed = False
            message.ending = message.ending or Ending.CANCELLED
            message.reason = message.reason or "skipped by a middleware"

    def _take_nothing_new(self) -> None:
        if self._executor:
            self._executor.stopping = True

    def _succeeded(self, message: Delivery, result: Any) -> None:
        try:
            if not (message.has_result and result is None):
                message.result = payload.encode_result(result)
        except BadRequest as error:
            message.ending, message.failure = Ending.FAILED, Failure.of(error)
            message.fail()  # running it again would give the same
        else:
            message.ending = Ending.SUCCEEDED

    def _after_commit(self, message: Delivery, result: Any, exception: BaseException | None) -> None:
        message.failed, message.retry_in = False, None
        message.ending = Ending.COMMITTED
        if exception is not None:
            log.error(
                "a job raised after its transaction had ended it as succeeded", job=str(message), exc_info=exception
            )
            return
        if message.has_result and result is None:
            return
        try:
            message.result = payload.encode_result(result)
        except BadRequest:
            log.exception("a job's result cannot be stored; its transaction had already ended it", job=str(message))
