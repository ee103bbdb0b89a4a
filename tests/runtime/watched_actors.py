"""`some_actors` with third-party middleware: Dramatiq's Prometheus, a recorder of hooks, and one that skips."""

from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage, Middleware, SkipMessage
from dramatiq.middleware.prometheus import Prometheus

from tests.runtime import some_actors

broker = some_actors.broker


class Recorder(Middleware):
    """Notes the hooks of jobs whose first argument is "record", in the order they are called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _note(self, hook: str, message: Any) -> None:
        if message.args[:1] == ("record",):
            some_actors.note(f"{self.name} {hook}")

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("before_process_message", message)

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        self._note(f"after_process_message {result!r} {type(exception).__name__}", message)

    def after_skip_message(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("after_skip_message", message)

    def before_ack(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("before_ack", message)

    def after_ack(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("after_ack", message)

    def before_nack(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("before_nack", message)

    def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
        self._note("after_nack", message)


class First(Recorder):
    """The outer one."""


class Skipper(Middleware):
    """Lets nothing run that has the option `skipped`, and trips over what has the option `tripped`."""

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        if message.kwargs.get("skipped"):
            raise SkipMessage("not today")
        if message.kwargs.get("tripped"):
            raise ValueError("a bug in a middleware")

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if message.kwargs.get("tripped"):
            raise ValueError("another")


broker.add_middleware(Prometheus())
broker.add_middleware(First("first"))
broker.add_middleware(Recorder("second"))
broker.add_middleware(Skipper())


def own_id() -> str | None:
    message = CurrentMessage.get_current_message()
    return None if message is None else message.message_id


@some_actors.both()
def message_id() -> str | None:
    """What CurrentMessage knows."""
    return own_id()
