"""What ends a run without its having failed. Raised by the job itself, or in it by the engine."""

from datetime import timedelta

import dramatiq.errors
from dramatiq.middleware.threading import Interrupt

from errors import BadArguments
from runtime.delivery import Delivery, Ending


class Interruption(Interrupt):
    """A BaseException: `except Exception` in an actor does not stop it. No retry, no attempt used."""

    def settle(self, delivery: Delivery) -> None:
        """Say how the run that it has left ends."""
        raise NotImplementedError


class Cancelled(Interruption):
    """The job is not wanted any more: it ends as cancelled. `raise job.Cancel("the order was withdrawn")`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason

    def settle(self, delivery: Delivery) -> None:
        delivery.ending, delivery.reason = Ending.CANCELLED, self.reason or delivery.reason


class Paused(Interruption):
    """Somebody wants the job paused, and this is a point where it can be. Should it not be wanted any more by the time
    that this is written, the job is queued again and goes on."""

    def settle(self, delivery: Delivery) -> None:
        delivery.ending = Ending.RELEASED


class GivenUp(Interruption):
    """This run counts no more: its worker was thought dead, and the job may run elsewhere already."""

    def settle(self, delivery: Delivery) -> None:
        delivery.ending = Ending.LOST


class Snooze(Interruption):
    """Run the job again later, without using up an attempt: `raise job.Snooze(30)`, in seconds or a timedelta."""

    def __init__(self, delay: float | timedelta) -> None:
        super().__init__(delay)
        self.seconds = seconds(delay)

    def settle(self, delivery: Delivery) -> None:
        delivery.ending, delivery.retry_in = Ending.RELEASED, self.seconds


class Retry(dramatiq.errors.Retry):
    """This attempt has failed; run the job again after `delay` seconds, if it has an attempt left."""

    def __init__(self, delay: float | timedelta | None = None, message: str = "") -> None:
        super().__init__(message, delay=None if delay is None else int(seconds(delay) * 1000))


class SoftTimeLimitExceeded(Interrupt):
    """The job's `soft_time_limit` is over. There is time until `time_limit` to keep what was done; a failure if it
    leaves the actor."""


def pause_if_wanted(delivery: Delivery) -> None:
    """A point where a job may be paused: raises Paused if somebody wants that."""
    if delivery.control == "pause":
        raise Paused


def seconds(delay: float | timedelta) -> float:
    """Raises BadArguments unless it is a time to wait."""
    value = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not 0 <= value <= 366 * 86_400:
        raise BadArguments(f"A delay of {value:g} s is not within 0 and a year.", "delay")
    return value
