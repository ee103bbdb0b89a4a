"""Actors that tell how far they have come, and that log. Those of both kinds are declared by `both`, where a handle's
verb is not awaited: progress is told when it is called."""

import asyncio
import logging
import time
from typing import Any

import structlog

from runtime import current_job
from tests.runtime.some_actors import Unlucky, both, broker, declare_async, declare_sync, effect, gone, note

__all__ = ["broker"]

plain = logging.getLogger("stage.plain")
structured = structlog.get_logger("stage.structured")


def fail() -> None:
    raise Unlucky("caught")


class Odd:
    """Not JSON."""

    def __repr__(self) -> str:
        return "an odd one"


@declare_async(max_retries=0)
async def telling_often_async(key: str) -> int:
    """Tells a new number all the time, and awaits nothing else, until the test says that it is enough."""
    told = 0
    while told % 100 or not gone(key):
        told += 1
        await current_job().progress(told, 1_000_000, f"number {told}", told=told)
    return told


@declare_sync(max_retries=0)
def telling_often_sync(key: str) -> int:
    told = 0
    while told % 100 or not gone(key):
        told += 1
        current_job().progress(told, 1_000_000, f"number {told}", told=told)
    return told


@both(max_retries=0)
def telling_and_ending(how: str) -> None:
    """Tells quickly, then ends in one of the ways in which a run can end."""
    job = current_job()
    for number in range(1, 51):
        job.progress(number, 50)
        job.log.info("told", number=number)
    if how == "fail":
        raise Unlucky
    if how == "cancel":
        raise job.Cancel
    if how == "snooze":
        raise job.Snooze(3_600)


@declare_async(max_retries=0)
async def telling_and_committing_async() -> None:
    async with current_job().transaction() as session:
        await session.execute(effect("done"))
        await current_job().progress(1, 2)
        await current_job().progress(2, 2)


@declare_sync(max_retries=0)
def telling_and_committing_sync() -> None:
    with current_job().transaction() as session:
        session.execute(effect("done"))
        current_job().progress(1, 2)
        current_job().progress(2, 2)


@declare_async(max_retries=0)
async def telling_when_told_async(key: str) -> None:
    await current_job().progress(1, 3, "before")
    note(f"ready {key}")
    while not broker.client.exists(f"stage:go:{key}"):
        await asyncio.sleep(0.01)
    await current_job().progress(2, 3, "after")


@declare_sync(max_retries=0)
def telling_when_told_sync(key: str) -> None:
    current_job().progress(1, 3, "before")
    note(f"ready {key}")
    while not broker.client.exists(f"stage:go:{key}"):
        time.sleep(0.01)
    current_job().progress(2, 3, "after")


@both(max_retries=0)
def telling_wrongly(what: dict[str, Any]) -> None:
    current_job().progress(**what)


@declare_async(max_retries=1)
async def telling_loop_async(count: int, fail_at: int) -> None:
    job = current_job()
    async for item in job.each(range(count)):
        if item == fail_at and job.attempt == 1:
            raise Unlucky


@declare_sync(max_retries=1)
def telling_loop_sync(count: int, fail_at: int) -> None:
    job = current_job()
    for item in job.each(range(count)):
        if item == fail_at and job.attempt == 1:
            raise Unlucky


@declare_async(max_retries=0)
async def telling_in_a_loop(count: int) -> None:
    """Its own words stand against the loop's."""
    job = current_job()
    await job.progress(7, 9, "my own")
    async for _ in job.each(range(count)):
        await asyncio.sleep(0)


@both(max_retries=0)
def logging_each_way() -> None:
    log = current_job().log
    log.info("from the handle", number=1, odd=Odd(), large=2**70)
    plain.warning("from %s", "logging", extra={"number": 2})
    structured.error("from structlog", number=3)
    log.info("formatted %s", "too")
    try:
        fail()
    except Unlucky:
        plain.exception("with a traceback")
    log.debug("not kept")


@both(max_retries=0)
def logging_what_cannot_be_shown(text: str) -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no text for you")

    log = current_job().log
    log.info(f"a{chr(0)}b {chr(0xD800)}", mute=Mute(), nul=f"x{chr(0)}y", half=chr(0xD800), wide=text)
    plain.info("%d of what is no number", "text")
    log.info("after")


@both(max_retries=0)
def logging_many(count: int, length: int = 0) -> None:
    for number in range(1, count + 1):
        plain.info("line %d %s", number, "x" * length)


@declare_async(max_retries=0)
async def logging_in_turns_async(name: str, count: int) -> None:
    for number in range(count):
        plain.info("%s %d", name, number)
        await asyncio.sleep(0.001)


@declare_sync(max_retries=0)
def logging_in_turns_sync(name: str, count: int) -> None:
    for number in range(count):
        plain.info("%s %d", name, number)
        time.sleep(0.001)


@both(max_retries=0)
def logging_at_each_level() -> None:
    for level in ("debug", "info", "warning", "error"):
        plain.log(getattr(logging, level.upper()), "plain %s", level)
        getattr(current_job().log, level)(f"handle {level}")


@declare_async(max_retries=3)
async def logging_until_killed() -> None:
    """Logs a number every few milliseconds, and notes which."""
    if current_job().attempt > 1:
        return
    for number in range(1, 10_000):
        plain.info("%d", number)
        broker.client.rpush("stage:logged", number)
        await asyncio.sleep(0.005)


@declare_async(max_retries=2)
async def logging_and_failing(lines: int) -> None:
    job = current_job()
    for number in range(lines):
        plain.info("line %d of attempt %d", number, job.attempt)
    if job.attempt < 3:
        raise Unlucky


@declare_async(max_retries=0)
async def logging_without_postgresql(lines: int) -> None:
    note("ready")
    while not broker.client.exists("stage:go:log"):
        await asyncio.sleep(0.01)
    for number in range(lines):
        plain.info("line %d", number)
        await current_job().progress(number, lines)
    note("logged")
