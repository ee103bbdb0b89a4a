"""Actors for the engine's tests, most of them in both kinds: `echo_async` and `echo_sync` do the same.

What they do to the database is a row of `stage.effects`, written in the job's own transaction: it must be there once.
What they merely tried is a line in the Redis list `stage:notes`: it may be there several times.
"""

import asyncio
import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.errors import Retry
from sqlalchemy import TextClause, text

import actors
from runtime import current_job
from services import jobs

broker = actors.broker
SOON: dict[str, Any] = {"min_backoff": 1, "max_backoff": 1}  # milliseconds


class Unlucky(Exception):
    """Something that may go better the next time."""


class Expected(Exception):
    """Something that will not."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Weird(BaseException):
    """Not an Exception."""


def note(line: str) -> None:
    broker.client.rpush("stage:notes", line)


def effect(line: str) -> TextClause:
    statement = text("insert into stage.effects (job, attempt, note) values (:job, :attempt, :note)")
    return statement.bindparams(job=current_job().id, attempt=current_job().attempt, note=line)


def both(**options: Any) -> Callable[[Callable[..., Any]], None]:
    """Declare a function as two actors, one of each kind, each kind in its own queue."""

    def declare(function: Callable[..., Any]) -> None:
        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return function(*args, **kwargs)

        name = function.__name__
        dramatiq.actor(actor_name=f"{name}_async", queue_name="stage-async", **SOON | options)(coroutine)
        dramatiq.actor(actor_name=f"{name}_sync", queue_name="stage-sync", **SOON | options)(function)

    return declare


def declare_async(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    return dramatiq.actor(queue_name="stage-async", **SOON | options)


def declare_sync(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    return dramatiq.actor(queue_name="stage-sync", **SOON | options)


@both()
def echo(value: Any = None, *, twice: bool = False) -> Any:
    return [value, value] if twice else value


@both()
def say(line: str) -> None:
    note(line)


@both()
def take_anything(*args: Any, **kwargs: Any) -> None:
    """What fits any call."""


@both()
def describe() -> dict[str, Any]:
    job = current_job()
    job.log.info("described", answer=42)
    return {"id": str(job.id), "attempt": job.attempt, "queue": job.queue, "actor": job.actor}


@both(max_retries=2)
def fail(times: int, message: str = "not yet") -> int:
    """Fail so many times, then return the attempt."""
    attempt = current_job().attempt
    note(f"attempt {attempt}")
    if attempt <= times:
        raise Unlucky(f"{message} ({attempt})")
    return attempt


@both(throws=(Expected,))
def refuse() -> None:
    raise Expected("as foreseen")


@both(throws=(Unprintable,))
def refuse_without_text() -> None:
    raise Unprintable


@both(retry_when=lambda retries, error: retries < 1 and isinstance(error, Unlucky))
def pick(kind: str) -> None:
    raise (Unlucky if kind == "unlucky" else Expected)(kind)


@both(max_retries=1)
def ask_for_delay(milliseconds: int) -> str:
    if current_job().attempt == 1:
        raise Retry("later", delay=milliseconds)
    return "done"


@both(max_retries=1, on_retry_exhausted="hear")
def give_up(name: str) -> None:
    raise Unlucky(name)


@both(max_retries=0, on_success="hear", on_failure="hear")
def call_back(fails: bool) -> str:
    if fails:
        raise Unlucky("so be it")
    return "well"


@dramatiq.actor(queue_name="stage-async", **SOON)
async def hear(message: dict[str, Any], news: Any) -> list[Any]:
    return [message, news]


@both(max_retries=1)
def misbehave(how: str) -> None:
    """Raise what an actor should not."""
    match how:
        case "exits":
            sys.exit(3)
        case "interrupts":
            raise KeyboardInterrupt
        case "is cancelled":
            raise asyncio.CancelledError
        case "is weird":
            raise Weird("boo")
        case "has no text":
            raise Unprintable
        case "has bad text":
            raise Unlucky("a\0b\ud800c")
        case _:
            raise AssertionError(how)


@both(max_retries=1)
def give(what: str) -> Any:
    """Return what cannot be stored, or only just."""
    match what:
        case "largest":
            return "x" * (256 * 1024 - 2)
        case "too large":
            return "x" * (256 * 1024 - 1)
        case "a date":
            return {"when": datetime.now(UTC)}
        case "nan":
            return [float("nan")]
        case "nul":
            return "\0"
        case _:
            raise AssertionError(what)


@declare_async(max_retries=1)
async def exit_in_a_task() -> None:
    async def leave() -> None:
        sys.exit(3)

    async with asyncio.TaskGroup() as group:
        group.create_task(leave())


# ---- waiting


def gone(key: str) -> bool:
    """Has the test said go?"""
    return bool(broker.client.exists(f"stage:go:{key}"))


async def wait_async(key: str) -> None:
    while not gone(key):
        await asyncio.sleep(0.02)


def wait_sync(key: str) -> None:
    while not gone(key):
        time.sleep(0.02)


@declare_async(max_retries=0)
async def hold_async(key: str) -> str:
    """Wait for the test, then do something once."""
    note(f"{key} started")
    await wait_async(key)
    async with current_job().transaction() as session:
        await session.execute(effect(key))
    return "held"


@declare_sync(max_retries=0)
def hold_sync(key: str) -> str:
    note(f"{key} started")
    wait_sync(key)
    with current_job().transaction() as session:
        session.execute(effect(key))
    return "held"


@declare_async(max_retries=0)
async def tick_async(key: str) -> None:
    """Wait for the test, and count in `stage:ticks:<key>` how often both servers have answered meanwhile."""
    note(f"{key} started")
    while not gone(key):
        async with current_job().database.connection() as connection:
            await connection.execute("select 1")
        broker.client.incr(f"stage:ticks:{key}")
        await asyncio.sleep(0.02)


@declare_async(max_retries=1)
async def deaf_async(key: str) -> None:
    """Goes on whatever anybody says, as a loop around `except BaseException` does."""
    note(f"{key} started")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)


@declare_sync(max_retries=1)
def lock_sync(key: str) -> None:
    """Waits for somebody else's row."""
    with current_job().transaction() as session:
        note(f"{key} started")
        session.execute(text("select from alembic_version for update"))


@declare_sync(max_retries=1)
def blind_sync(key: str) -> None:
    """Never asks its handle anything."""
    note(f"{key} started")
    try:
        for _ in range(60_000):
            time.sleep(0.01)
    finally:
        note(f"{key} interrupted")


@declare_async(max_retries=1, time_limit=300)
async def overrun_async() -> None:
    """`stage:late` has by how much each was interrupted later than a timer of the same length went off beside it."""
    started, timed = time.monotonic(), list[float]()
    asyncio.get_running_loop().call_later(0.3, lambda: timed.append(time.monotonic()))
    try:
        await asyncio.sleep(60)
    finally:
        note(str(time.monotonic() - started))
        broker.client.rpush("stage:late", time.monotonic() - timed[0] if timed else 0.0)


@declare_sync(max_retries=1, time_limit=300)
def overrun_sync() -> None:
    started = time.monotonic()
    try:
        while time.monotonic() - started < 60:
            time.sleep(0.005)
    finally:
        note(str(time.monotonic() - started))


async def _wait_for(key: str) -> None:
    await asyncio.wait_for(wait_async(key), 60)


async def _gather(key: str) -> None:
    await asyncio.gather(wait_async(key), asyncio.sleep(60))


async def _group(key: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(wait_async(key))


async def _timeout(key: str) -> None:
    async with asyncio.timeout(60):
        await wait_async(key)


async def _say_so(key: str) -> None:
    try:
        await wait_async(key)
    except asyncio.CancelledError:
        raise asyncio.CancelledError from None  # as some libraries do


WAYS_TO_WAIT = {"wait_for": _wait_for, "gather": _gather, "TaskGroup": _group, "timeout": _timeout, "anew": _say_so}


@declare_async(max_retries=1)
async def wait_in_its_way(way: str, key: str) -> str:
    note(f"{key} started")
    await WAYS_TO_WAIT[way](key)
    return way


@declare_async(max_retries=0)
async def outlast_async(file: str) -> None:
    """Wait for the test without asking any server, nor telling one: until there is such a file."""
    Path(f"{file} started").touch()
    while not Path(file).exists():
        await asyncio.sleep(0.02)


@declare_sync(max_retries=0)
def outlast_sync(file: str) -> None:
    Path(f"{file} started").touch()
    while not Path(file).exists():
        time.sleep(0.02)


@declare_async()
async def nap_async(milliseconds: int = 20) -> None:
    await asyncio.sleep(milliseconds / 1000)


@declare_sync()
def nap_sync(milliseconds: int = 20) -> None:
    time.sleep(milliseconds / 1000)


@declare_async()
async def linger_async(key: str) -> str:
    """Wait for the test, without any transaction of its own."""
    note(f"{key} started")
    await wait_async(key)
    note(f"{key} ended")
    return "lingered"


@declare_sync()
def linger_sync(key: str) -> str:
    note(f"{key} started")
    wait_sync(key)
    note(f"{key} ended")
    return "lingered"


eaten: list[bytes] = []


@declare_async()
async def eat_async(mebibytes: int) -> None:
    """Leave memory behind."""
    eaten.append(b"x" * mebibytes * 2**20)


# ---- the job's transaction


@declare_async(max_retries=1)
async def act_async(line: str, then: str = "return") -> str:
    """One effect. `then`: return; raise inside the transaction the first time; raise after it; enqueue inside it."""
    job = current_job()
    note(f"{line} attempt {job.attempt}")
    async with job.transaction() as session:
        await session.execute(effect(line))
        if then.startswith("enqueue"):
            await jobs.enqueue(session, broker.actors["act_async"], f"child of {line}")
        if then.endswith("raise inside") and job.attempt == 1:
            raise Unlucky("inside")
    if then == "raise after":
        raise Unlucky("after")
    return f"{line} done"


@declare_sync(max_retries=1)
def act_sync(line: str, then: str = "return") -> str:
    job = current_job()
    note(f"{line} attempt {job.attempt}")
    with job.transaction() as session:
        session.execute(effect(line))
        if then.startswith("enqueue"):
            session.run(jobs.enqueue(session.asynchronous, broker.actors["act_sync"], f"child of {line}"))
        if then.endswith("raise inside") and job.attempt == 1:
            raise Unlucky("inside")
    if then == "raise after":
        raise Unlucky("after")
    return f"{line} done"


@declare_async(max_retries=0, on_retry_exhausted="hear")
async def act_then_raise_async(line: str) -> None:
    async with current_job().transaction() as session:
        await session.execute(effect(line))
    raise Unlucky("after")


@declare_sync(max_retries=0, on_retry_exhausted="hear")
def act_then_raise_sync(line: str) -> None:
    with current_job().transaction() as session:
        session.execute(effect(line))
    raise Unlucky("after")


# ---- together


def arrive(key: str) -> None:
    broker.client.rpush(f"stage:{key}", "here")


def arrived(key: str) -> int:
    number: Any = broker.client.llen(f"stage:{key}")
    return int(number)


@declare_async(max_retries=0)
async def meet_async(key: str, number: int) -> str:
    """Return the current job's id once so many jobs run at once."""
    before = current_job().id
    arrive(key)
    while arrived(key) < number:
        await asyncio.sleep(0.01)
    assert current_job().id == before
    return str(current_job().id)


@declare_sync(max_retries=0)
def meet_sync(key: str, number: int) -> str:
    before = current_job().id
    arrive(key)
    while arrived(key) < number:
        time.sleep(0.01)
    assert current_job().id == before
    return str(current_job().id)


@dramatiq.actor(queue_name="stage-mixed", **SOON)
async def mixed_async() -> str:
    return threading.current_thread().name


@dramatiq.actor(queue_name="stage-mixed", **SOON)
def mixed_sync() -> str:
    return threading.current_thread().name


@dramatiq.actor(queue_name="stage-mixed", **SOON)
def mixed_hold_sync(key: str) -> None:
    note(f"{key} started")
    wait_sync(key)


@dramatiq.actor(queue_name="stage-mixed", **SOON)
def mixed_say_sync(line: str) -> None:
    note(line)
    time.sleep(0.01)


@dramatiq.actor(queue_name="stage-async", max_age=3_600_000, **SOON)
async def age_async() -> None:
    """Too old after an hour."""


@dramatiq.actor(queue_name="stage-sync", max_age=3_600_000, **SOON)
def age_sync() -> None:
    """Too old after an hour."""


def job_of(kind: str, name: str) -> dramatiq.Actor[Any, Any]:
    """`job_of("sync", "echo")` is `echo_sync`."""
    return broker.actors[f"{name}_{kind}"]
