"""Actors for the fault suite. Each leaves two traces:

a row of `fault_effects`, written in the job's own transaction: it must be there once for each job that succeeded
(of a loop: for each of its items);
a line of the file FAULT_RUNS, written outside of it when the run starts: there may be several of a job.
"""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path

import dramatiq
from sqlalchemy import TextClause, text

import actors
from runtime import current_job
from services import jobs

broker = actors.broker


def note() -> None:
    job = current_job()
    append(os.environ["FAULT_RUNS"], f"{job.id} {job.attempt} {os.getpid()} {time.time()}")


def append(path: str, line: str) -> None:
    """One write of a short line is one piece, whoever else appends."""
    file = os.open(Path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def effect(item: int = 0) -> TextClause:
    job = current_job()
    statement = text("insert into fault_effects (job, attempt, item) values (:job, :attempt, :item)")
    return statement.bindparams(job=job.id, attempt=job.attempt, item=item)


@dramatiq.actor(queue_name="fault-async", min_backoff=1, max_backoff=1_000)
async def work_async(seconds: float) -> None:
    note()
    await asyncio.sleep(seconds)
    async with current_job().transaction() as session:
        await session.execute(effect())


@dramatiq.actor(queue_name="fault-sync", min_backoff=1, max_backoff=1_000)
def work_sync(seconds: float) -> None:
    note()
    until = time.monotonic() + seconds
    while time.monotonic() < until:  # in short naps: an interrupt comes between two
        time.sleep(0.01)
    with current_job().transaction() as session:
        session.execute(effect())


@dramatiq.actor(queue_name="fault-async", min_backoff=1, max_backoff=1_000)
async def add_later(seconds: float) -> None:
    """Enqueue another job in its own transaction."""
    note()
    await asyncio.sleep(seconds)
    async with current_job().transaction() as session:
        await session.execute(effect())
        await jobs.enqueue(session, work_async, seconds)


@dramatiq.actor(queue_name="fault-async")
async def last_async(seconds: float) -> None:
    """Take long, the first time."""
    note()
    await asyncio.sleep(seconds if current_job().attempt == 1 else 0)
    async with current_job().transaction() as session:
        await session.execute(effect())


@dramatiq.actor(queue_name="fault-sync")
def last_sync(seconds: float) -> None:
    note()
    until = time.monotonic() + (seconds if current_job().attempt == 1 else 0)
    while time.monotonic() < until:
        time.sleep(0.01)
    with current_job().transaction() as session:
        session.execute(effect())


@dramatiq.actor(queue_name="fault-async", max_retries=2)
async def poison() -> None:
    note()
    os.kill(os.getpid(), signal.SIGKILL)


class Unlucky(Exception):
    """Something that goes better the next time."""


@dramatiq.actor(queue_name="fault-async", min_backoff=1, max_backoff=1_000)
async def lucky_async(seconds: float, fails_once: bool) -> None:
    note()
    await asyncio.sleep(seconds)
    if fails_once and current_job().attempt == 1:
        raise Unlucky
    async with current_job().transaction() as session:
        await session.execute(effect())


@dramatiq.actor(queue_name="fault-sync", min_backoff=1, max_backoff=1_000)
def lucky_sync(seconds: float, fails_once: bool) -> None:
    note()
    time.sleep(seconds)
    if fails_once and current_job().attempt == 1:
        raise Unlucky
    with current_job().transaction() as session:
        session.execute(effect())


@dramatiq.actor(queue_name="fault-async", max_retries=100)
async def items_async(items: int, seconds: float) -> None:
    """Each item's writes are committed together with the note that it is done."""
    note()
    loop = current_job().each(range(items), every=10)
    async for item in loop:
        note_item(item)
        await asyncio.sleep(seconds)
        async with loop.transaction() as session:
            await session.execute(effect(item))


@dramatiq.actor(queue_name="fault-sync", max_retries=100)
def items_sync(items: int, seconds: float) -> None:
    """No item has a transaction; the job has one."""
    note()
    for item in current_job().each(range(items), every=10):
        note_item(item)
        time.sleep(seconds)
    with current_job().transaction() as session:
        session.execute(effect())


def note_item(item: int) -> None:
    job = current_job()
    append(os.environ["FAULT_RUNS"] + ".items", f"{job.id} {job.attempt} {item}")


@dramatiq.actor(queue_name="fault-gil")
async def hold_gil(seconds: int) -> None:
    """Sleep in C without letting the interpreter go: a PyDLL call keeps its lock."""
    note()
    ctypes.PyDLL(None).sleep(seconds)
    async with current_job().transaction() as session:
        await session.execute(effect())
