"""The broker: Dramatiq's for Redis, with our consumer, and the one list of middleware."""

from typing import Any

import dramatiq
import redis
import structlog
from dramatiq import Actor, Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, CurrentMessage, Middleware, MiddlewareError, Pipelines
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime.access import Access
from runtime.companion import Companion
from runtime.consumer import JobConsumer
from runtime.declared import check_numbers
from runtime.executor import Executor
from runtime.limited import Limits
from runtime.limits import ThreadTimeLimit
from runtime.periodic import Periodic
from runtime.retries import Retries
from runtime.tracking import Tracking
from runtime.transport import NAMESPACE, TRANSPORT_OPTIONS, JSONEncoder
from settings import Settings

log = structlog.get_logger("callboard")


class Broker(RedisBroker):
    """Takes and hands out ordinary Dramatiq messages; in a worker process it has an executor."""

    executor: Executor

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: dict[str, list[Any]] = {}  # signal -> hooks
        self._after: dict[str, list[Any]] = {}
        self.retries = Retries()
        self.limits = Limits()
        self.time_limit = ThreadTimeLimit()
        RedisBroker.__init__(
            self,
            client=redis.Redis.from_url(
                str(settings.redis_url or "redis://"),  # declaring actors needs no Redis; using them does
                # A command whose answer was lost is not sent again behind our back: an enqueue would be doubled.
                retry=Retry(NoBackoff(), 0),
                socket_timeout=5,
                socket_connect_timeout=5,
                health_check_interval=30,
            ),
            namespace=NAMESPACE,
            middleware=self._middleware(settings),
        )
        dramatiq.set_encoder(JSONEncoder())

    def _middleware(self, settings: Settings) -> list[Middleware]:
        """Before-hooks run in this order, after-hooks in reverse."""
        return [
            Tracking(settings),  # first: its after-hook notes what all the others made of the run
            CurrentMessage(),
            AgeLimit(),
            self.time_limit,
            Callbacks(),
            Pipelines(),
            Periodic(),
            Access(),
            self.limits,
            self.retries,  # last of those: its after-hook decides, and the others see the decision
            Companion(settings),
        ]

    def declare_actor(self, actor: Actor[Any, Any]) -> None:
        check_numbers(actor)  # neither in a hook, whose errors Dramatiq would log and pass over
        self.limits.declare(actor)
        super().declare_actor(actor)

    def add_middleware(self, middleware: Middleware, **place: type[Middleware] | None) -> None:
        RedisBroker.add_middleware(self, middleware, **place)
        self._before.clear()
        self._after.clear()

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """As Dramatiq's; only those that do something are called, which an async job's cost depends on."""
        hooks = self._before.get(signal)
        for hook in self._find(self._before, "before_", signal) if hooks is None else hooks:
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:
                log.critical("a middleware failed", hook=hook.__qualname__, exc_info=True)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        hooks = self._after.get(signal)
        for hook in self._find(self._after, "after_", signal) if hooks is None else hooks:
            try:
                hook(self, *args, **kwargs)
            except Exception:
                log.critical("a middleware failed", hook=hook.__qualname__, exc_info=True)

    def _find(self, found: dict[str, list[Any]], kind: str, signal: str) -> list[Any]:
        """The hooks that are not Middleware's own empty one, in the order they are called in."""
        name = kind + signal
        empty = getattr(Middleware, name)
        order = self.middleware if kind == "before_" else reversed(self.middleware)
        found[signal] = [getattr(m, name) for m in order if getattr(type(m), name, None) is not empty]
        return found[signal]

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> JobConsumer:
        return JobConsumer(self, self.executor, queue_name, timeout)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Send a message as plain Dramatiq does; the worker that gets it writes its row (`services.jobs` writes the row
        first, and loses nothing should Redis be lost).

        A message that has been in Redis before asks for its job to be run again: so dramatiq-dashboard requeues.
        """
        assert self._settings.redis  # raises ConfigurationError where it is not set
        if "redis_message_id" in message.options:
            options = {key: value for key, value in message.options.items() if key not in TRANSPORT_OPTIONS}
            message = Message(**{**message.asdict(), "options": {**options, "requeued": True}})
        return super().enqueue(message, delay=delay)
