"""Actors for the fault suite. Each leaves two traces:

a row of `fault_effects`, written in the job's own transaction: it must be there once for each job that succeeded;
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
    """Append a line; one write of a short line is one piece, whoever else appends."""
    job = current_job()
    line = f"{job.id} {job.attempt} {os.getpid()} {time.time()}\n"
    file = os.open(Path(os.environ["FAULT_RUNS"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def effect() -> TextClause:
    job = current_job()
    statement = text("insert into fault_effects (job, attempt) values (:job, :attempt)")
    return statement.bindparams(job=job.id, attempt=job.attempt)


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


@dramatiq.actor(queue_name="fault-gil")
async def hold_gil(seconds: int) -> None:
    """Sleep in C without letting the interpreter go: a PyDLL call keeps its lock."""
    note()
    ctypes.PyDLL(None).sleep(seconds)
    async with current_job().transaction() as session:
        await session.execute(effect())
