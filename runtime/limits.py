"""Dramatiq's time limit and shutdown notification, for jobs on threads only.

Both interrupt by thread id: for a job on the event loop's thread that would kill the loop. The executor gives async
jobs their time limit under the same option, and cancels them at shutdown.
"""

from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq import Actor, Middleware, Worker
from dramatiq.middleware import TimeLimit
from dramatiq.middleware.shutdown import Shutdown

from runtime.delivery import Delivery
from runtime.slots import Kind

if TYPE_CHECKING:
    from runtime.broker import Broker


def _on_thread(message: Any) -> bool:
    return not (isinstance(message, Delivery) and message.kind is Kind.TASK)


class ThreadTimeLimit(TimeLimit):
    """`time_limit` of sync actors; a call that blocks in C is interrupted when it returns."""

    def __init__(self) -> None:
        super().__init__(interval=100)

    @property
    def actor_options(self) -> set[str]:
        return {"time_limit", "soft_time_limit"}

    def seconds(self, actor: Actor[Any, Any], message: Delivery) -> float:
        """How long this job may run; infinity is without limit."""
        limit = message.options.get("time_limit") or actor.options.get("time_limit", self.time_limit)
        return float(limit) / 1000

    def soft_seconds(self, actor: Actor[Any, Any], message: Delivery) -> float:
        """After how long it is told that its time will soon be over; infinity is never."""
        limit = message.options.get("soft_time_limit") or actor.options.get("soft_time_limit")
        return float(limit) / 1000 if limit else float("inf")

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        if _on_thread(message):
            TimeLimit.before_process_message(self, broker, message)

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if _on_thread(message):
            TimeLimit.after_process_message(self, broker, message, result=result, exception=exception)

    after_skip_message = after_process_message


class ThreadShutdown(Middleware):
    """Interrupts sync actors that still run when the grace period is over; they go back to the queue. An actor or a job
    with `notify_shutdown=False` is left to end by itself.

    In place of Dramatiq's ShutdownNotifications, which walks over a set that the threads change as their jobs end: when
    one ends at that moment, the rest are never told.
    """

    @property
    def actor_options(self) -> set[str]:
        return {"notify_shutdown"}

    def before_worker_shutdown(self, broker: "Broker", worker: Worker) -> None:  # type: ignore[override]
        threads = broker.executor.threads
        for delivery in threads.running():
            options = broker.actors[delivery.actor_name].options | delivery.options
            if options.get("notify_shutdown", True):
                threads.interrupt(delivery, Shutdown)
