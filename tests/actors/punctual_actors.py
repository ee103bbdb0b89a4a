"""Periodic actors with each misfire policy, due on a day far away: the tests send what a clock would."""

import dramatiq

import actors
from runtime import cron, current_job

broker = actors.broker
LEAP_DAYS = cron("0 0 29 2 *")


@dramatiq.actor(queue_name="stage-punctual", periodic=LEAP_DAYS, misfire="skip")
async def punctual_skip() -> str:
    return "run"


@dramatiq.actor(queue_name="stage-punctual", periodic=LEAP_DAYS)
async def punctual_once() -> str:
    return "run"


@dramatiq.actor(queue_name="stage-punctual", periodic=LEAP_DAYS, misfire="catch_up")
async def punctual_all() -> str:
    return "run"


@dramatiq.actor(
    queue_name="stage-punctual", periodic=LEAP_DAYS, misfire="skip", misfire_grace=600, max_retries=1, min_backoff=100
)
async def punctual_fails_once() -> int:
    if current_job().attempt == 1:
        raise RuntimeError("the first time")
    return current_job().attempt
