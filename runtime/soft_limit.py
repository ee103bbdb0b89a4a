"""Tells an async job that its time will soon be over: a cancellation that reaches the job as another exception."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

from runtime.delivery import Delivery
from runtime.interrupts import SoftTimeLimitExceeded

OUT_OF_SOFT_TIME = "its soft time limit is over"


class SoftLimited(Awaitable[Any]):
    """Awaits a job's coroutine. When the job's task is cancelled for its soft limit the coroutine gets
    SoftTimeLimitExceeded where it waits, and its task goes on."""

    def __init__(self, coroutine: Awaitable[Any], delivery: Delivery) -> None:
        self._coroutine, self._delivery = coroutine, delivery

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                waits_for = go_on()
            except StopIteration as end:
                return end.value
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 (all of them are for the coroutine)
                go_on = partial(steps.throw, self._translated(error))
            else:
                go_on = partial(next, steps)

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, asyncio.CancelledError) or self._delivery.interrupted != OUT_OF_SOFT_TIME:
            return error
        self._delivery.interrupted = ""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return SoftTimeLimitExceeded(OUT_OF_SOFT_TIME)
