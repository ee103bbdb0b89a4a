"""Decides what a failed run leads to: another one later, in PostgreSQL, or the end."""

import random
from typing import Any

import dramatiq
import structlog
from dramatiq import Actor, Middleware
from dramatiq.errors import Retry
from dramatiq.middleware.shutdown import Shutdown

from errors import LeaseLost, NotSent
from runtime.delivery import Delivery
from runtime.interrupts import Interruption

log = structlog.get_logger("callboard")

DEFAULT_MAX_RETRIES = 20
DEFAULT_MIN_BACKOFF = 15_000  # milliseconds
DEFAULT_MAX_BACKOFF = 7 * 86_400_000
MOST_RETRIES = 1_000_000
LONGEST_DELAY = 366 * 86_400_000
LONGEST_RETRY_AFTER = 86_400.0  # seconds; whoever asks for more is asked again after a day


class Retries(Middleware):
    """Dramatiq's retry options, with Dramatiq's meaning, kept in the job's row instead of a delay queue.

    Must be the last in the list: after-hooks run in reverse, so the others see the decision (`message.failed`).
    """

    @property
    def actor_options(self) -> set[str]:
        return {"max_retries", "min_backoff", "max_backoff", "retry_when", "throws", "on_retry_exhausted"}

    def max_attempts(self, actor: Actor[Any, Any] | None, options: dict[str, Any]) -> int | None:
        """How often a job may run at most; None is without limit."""
        declared = actor.options.get("max_retries", DEFAULT_MAX_RETRIES) if actor else DEFAULT_MAX_RETRIES
        retries = options.get("max_retries", declared)
        return None if retries is None else min(int(retries), MOST_RETRIES) + 1

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if not isinstance(message, Delivery) or message.committed or not _is_failure(exception):
            return
        assert exception is not None
        actor = broker.get_actor(message.actor_name)
        throws = actor.options.get("throws")
        if throws and isinstance(exception, throws):
            message.fail()
        elif self._is_exhausted(actor, message, exception):
            message.fail()
            self._tell(broker, actor, message)
        else:
            message.retry_in = self._delay(actor, message, exception) / 1000

    def _is_exhausted(self, actor: Actor[Any, Any], message: Delivery, exception: BaseException) -> bool:
        retry_when = actor.options.get("retry_when")
        if retry_when is not None:
            return not retry_when(message.failures, exception)
        return message.max_attempts is not None and message.attempt >= message.max_attempts

    def _delay(self, actor: Actor[Any, Any], message: Delivery, exception: BaseException) -> float:
        """Milliseconds until the next run: exponential, stretched by up to half at random so that crowds spread out."""
        if isinstance(exception, Retry) and exception.delay is not None:
            return min(max(0.0, float(exception.delay)), LONGEST_DELAY)
        options = {**actor.options, **message.options}
        least = options.get("min_backoff", DEFAULT_MIN_BACKOFF)
        most = min(options.get("max_backoff", DEFAULT_MAX_BACKOFF), DEFAULT_MAX_BACKOFF)
        backoff = least * 2 ** min(message.failures, 32) * random.uniform(1, 1.5)  # noqa: S311 (jitter, no secret)
        backoff = backoff if backoff <= most else most * random.uniform(0.75, 1)  # noqa: S311
        asked = exception.retry_after if isinstance(exception, NotSent) else None
        return float(max(backoff, min(asked or 0.0, LONGEST_RETRY_AFTER) * 1000))  # never sooner than was asked for

    def _tell(self, broker: dramatiq.Broker, actor: Actor[Any, Any], message: Delivery) -> None:
        log.warning("retries exhausted", job=str(message))
        target = message.options.get("on_retry_exhausted") or actor.options.get("on_retry_exhausted")
        if target:
            most = None if message.max_attempts is None else message.max_attempts - 1 - message.releases
            broker.get_actor(target).send(message.asdict(), {"retries": message.failures, "max_retries": most})


def _is_failure(exception: BaseException | None) -> bool:
    """Not one: the worker stops, this run was given up and another one counts, or somebody wanted it ended."""
    return exception is not None and not isinstance(exception, Shutdown | LeaseLost | Interruption)
