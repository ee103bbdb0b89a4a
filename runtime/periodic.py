"""`cron()` for actors that periodiq triggers, meaning what cron means."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import dramatiq
import pendulum
from dramatiq.middleware import MiddlewareError

from runtime.triggers.cron import Cron

Misfire = Literal["skip", "run_once", "catch_up"]
MISFIRES: tuple[str, ...] = get_args(Misfire)
MISFIRE_GRACE = 5.0  # seconds
_TICK = timedelta(microseconds=1)
_SCHEDULES = uuid.UUID("a4b0c7a2-54a3-5d0e-9b8e-6f1d0c1d7a55")


def cron(expression: str) -> "CronSpec":
    """When a periodic actor runs: `@dramatiq.actor(periodic=cron("*/5 * * * *"))`.

    Five fields (minute, hour, day of month, month, day of week) or @hourly, @daily, @weekly, @monthly, @yearly.
    Sunday is 0, 7 or sun. Raises ValueError for what is no cron expression.
    """
    return CronSpec(expression)


class CronSpec:
    """What periodiq's clock asks of an actor's `periodic`, by the rules of schedules in tables: its own class runs
    nothing on Sundays written 0, nor the times that a clock change leaves out."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        Cron(expression, UTC)  # raises for what is none, as the module that declares the actor is imported

    def __str__(self) -> str:
        return self.expression

    def next_valid_date(self, last: Any) -> Any:
        """The first minute after `last` at which it is due, in the zone of `last`."""
        zone = last.tzinfo
        found = Cron(self.expression, zone).next_after(datetime.fromtimestamp(last.timestamp(), UTC))
        if found is None:
            raise ValueError(f"{self.expression!r} is not due any more.")
        return pendulum.instance(found.astimezone(zone))

    def validate(self, date: datetime) -> bool:
        """Is it due in this minute?"""
        minute = datetime.fromtimestamp(date.timestamp() // 60 * 60, UTC)
        return Cron(self.expression, date.tzinfo or UTC).next_after(minute - _TICK) == minute


def schedule_id_of(actor_name: str) -> uuid.UUID:
    """Under which id a periodic actor stands in the list of schedules and in their history."""
    return uuid.uuid5(_SCHEDULES, actor_name)


class Periodic(dramatiq.Middleware):
    """The options of actors that periodiq's clock triggers.

    periodic        when: `cron(...)`
    misfire         what becomes of runs that no worker could take in time: "run_once" (default), "skip", "catch_up"
    misfire_grace   seconds up to which a run is in time; 5 unless given
    """

    @property
    def actor_options(self) -> set[str]:
        return {"periodic", "misfire", "misfire_grace"}

    def before_declare_actor(self, broker: dramatiq.Broker, actor: dramatiq.Actor[Any, Any]) -> None:
        misfire, grace = actor.options.get("misfire", "run_once"), actor.options.get("misfire_grace", MISFIRE_GRACE)
        if misfire not in MISFIRES:
            raise MiddlewareError(f"misfire={misfire!r} of {actor.actor_name} is none of {', '.join(MISFIRES)}.")
        if not isinstance(grace, int | float) or grace < 0:
            raise MiddlewareError(f"misfire_grace={grace!r} of {actor.actor_name} is no number of seconds.")
