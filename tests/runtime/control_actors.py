"""Actors that use what the handle offers: checkpoints, loops, steps, children, wishes.

What they did is in stage.effects, what they tried in the Redis list `stage:notes`.
"""

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from runtime import current_job
from runtime.blocking import BlockingSession
from runtime.interrupts import SoftTimeLimitExceeded
from tests.runtime.some_actors import Unlucky, both, broker, declare_async, declare_sync, effect, gone, note

__all__ = ["broker"]


def must_hold(item: int, hold_at: int) -> bool:
    """Whether a loop's first run is not to go on with this item yet: until the test says so, or the run knows that
    somebody wants something of it."""
    job = current_job()
    return item == hold_at and job.attempt == 1 and not job.delivery.control and not gone("loop")


@declare_async(max_retries=3)
async def loop_async(
    count: int, pause: float, key: bool = False, transactional: bool = True, fail_at: int = -1, hold_at: int = -1
) -> int:
    job = current_job()
    loop = job.each(range(count), every=10, key=(lambda item: f"item-{item}") if key else None)
    async for item in loop:
        note(f"tried {item}")
        if item == fail_at and job.attempt == 1:
            raise Unlucky
        if pause:
            await asyncio.sleep(pause)
        while must_hold(item, hold_at):
            await asyncio.sleep(0.01)
        if transactional:
            async with loop.transaction() as session:
                await session.execute(effect(str(item)))
        else:
            note(f"did {item}")
    return loop.done


@declare_sync(max_retries=3)
def loop_sync(
    count: int, pause: float, key: bool = False, transactional: bool = True, fail_at: int = -1, hold_at: int = -1
) -> int:
    job = current_job()
    loop = job.each(range(count), every=10, key=(lambda item: f"item-{item}") if key else None)
    for item in loop:
        note(f"tried {item}")
        if item == fail_at and job.attempt == 1:
            raise Unlucky
        if pause:
            time.sleep(pause)
        while must_hold(item, hold_at):
            time.sleep(0.01)
        if transactional:
            with loop.transaction() as session:
                session.execute(effect(str(item)))
        else:
            note(f"did {item}")
    return loop.done


@declare_async(max_retries=0)
async def mishear_async() -> None:
    """Loses the first cancellation, as `asyncio.wait_for` does now and then in Python 3.11."""
    with contextlib.suppress(asyncio.CancelledError):
        note("waiting")
        await asyncio.sleep(3_600)
    await asyncio.sleep(3_600)


@declare_async(max_retries=3)
async def pages_async(pages: int) -> list[Any]:
    """A loop made by hand: fails once on every page after keeping it."""
    job = current_job()
    start = job.resumed_from or 0
    note(f"from {start}")
    if start < pages:
        await job.checkpoint(start + 1)
        raise job.Retry(0)
    return [start, job.attempt]


@declare_sync(max_retries=3)
def pages_sync(pages: int) -> list[Any]:
    job = current_job()
    start = job.resumed_from or 0
    note(f"from {start}")
    if start < pages:
        job.checkpoint(start + 1)
        raise job.Retry(0)
    return [start, job.attempt]


async def charge(amount: int) -> dict[str, int]:
    note(f"charged {amount}")
    return {"charged": amount}


async def book(amount: int, *, session: AsyncSession) -> None:
    await session.execute(effect(f"booked {amount}"))


@declare_async(max_retries=3)
async def steps_async() -> Any:
    job = current_job()
    receipt = await job.step("charge", charge, 5)
    await job.step("book", book, 5)
    if job.attempt < 3:
        raise Unlucky
    return receipt


def charge_now(amount: int) -> dict[str, int]:
    note(f"charged {amount}")
    return {"charged": amount}


def book_now(amount: int, *, session: BlockingSession) -> None:
    session.execute(effect(f"booked {amount}"))


@declare_sync(max_retries=3)
def steps_sync() -> Any:
    job = current_job()
    receipt = job.step("charge", charge_now, 5)
    job.step("book", book_now, 5)
    if job.attempt < 3:
        raise Unlucky
    return receipt


@declare_async(max_retries=0)
async def same_step_twice() -> None:
    job = current_job()
    await job.step("charge", charge, 1)
    await job.step("charge", charge, 2)


@declare_async()
async def child(number: int) -> int:
    return number


@declare_async()
async def parent_async() -> str:
    return str(await current_job().spawn(child, 7))


@declare_sync()
def parent_sync() -> str:
    job = current_job()

    async def keep(made: Any) -> str:
        return str(await made)

    return asyncio.run(keep(job.spawn(child, 7)))


@both()
def snooze(times: int) -> int:
    job = current_job()
    note(f"attempt {job.attempt}")
    if job.attempt <= times:
        raise job.Snooze(timedelta(milliseconds=10))
    return job.attempt


@both()
def withdraw(reason: str) -> None:
    raise current_job().Cancel(reason)


@declare_async(max_retries=0)
async def patient_async(seconds: float) -> None:
    """Can be cancelled: its `finally` runs."""
    note("waiting")
    try:
        await asyncio.sleep(seconds)
    finally:
        note("cleaned up")


@declare_sync(max_retries=0)
def patient_sync(seconds: float) -> None:
    note("waiting")
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
    finally:
        note("cleaned up")


@declare_async(max_retries=20, soft_time_limit=300, time_limit=60_000)
async def hurried_async() -> Any:
    job = current_job()
    if job.resumed_from:
        return job.resumed_from
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded:
        await job.checkpoint("as far as it came")
        raise


@declare_sync(max_retries=20, soft_time_limit=300, time_limit=60_000)
def hurried_sync() -> Any:
    job = current_job()
    if job.resumed_from:
        return job.resumed_from
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.01)
    except SoftTimeLimitExceeded:
        job.checkpoint("as far as it came")
        raise


@declare_async(max_retries=1)
async def pages_with_work(pages: int) -> int:
    """Each page's writes are committed together with its checkpoint; then it fails once, half-way through a page."""
    job = current_job()
    for page in range(job.resumed_from or 0, pages):
        async with job.transaction(checkpoint=page + 1) as session:
            await session.execute(effect(f"page {page}"))
            if page == 2 and job.attempt == 1:
                raise Unlucky
    return int(job.resumed_from)


@declare_async(max_retries=0)
async def keep_too_much() -> None:
    await current_job().checkpoint("x" * 300_000)


@both(max_retries=5)
def fail_when_told(key: str) -> None:
    note(f"ready {key}")
    while not broker.client.exists(f"stage:go:{key}"):
        time.sleep(0.01)
    raise Unlucky
