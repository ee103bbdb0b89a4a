"""An actor that is due every minute, and one that is due on a day far away."""

import dramatiq

import actors
from runtime import cron

broker = actors.broker


@dramatiq.actor(queue_name="stage-clock", periodic=cron("* * * * *"))
async def every_minute() -> str:
    return "tick"


@dramatiq.actor(queue_name="stage-clock", periodic=cron("0 0 29 2 *"))
async def on_leap_days() -> None:
    """Not while the tests run, but once in four years."""
