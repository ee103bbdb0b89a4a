"""Dramatiq's time limit, for jobs on threads only.

It interrupts by thread id: for a job on the event loop's thread that would kill the loop. The executor gives async jobs
their time limit under the same option.
"""

from typing import Any

import dramatiq
from dramatiq import Actor
from dramatiq.middleware import TimeLimit

from runtime.delivery import Delivery
from runtime.slots import Kind


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
