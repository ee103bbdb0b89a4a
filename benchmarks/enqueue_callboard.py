"""Enqueues for Callboard, in a process of its own: `python -m benchmarks.enqueue_callboard many noop 10000`."""

import asyncio
import contextlib
import random
import sys
import time
import uuid
from functools import partial

import uvloop

from benchmarks.callboard import actors
from benchmarks.work import CANCELS, FOLDER
from errors import JobCancelled
from runtime.client import Client
from services import control, jobs
from settings import settings
from tests.support.waiting import wait_for


async def many(client: Client, actor: str, count: int) -> None:
    """All in one transaction."""
    async with client.session() as session:
        await jobs.enqueue_many(session, [jobs.call(actors[actor], number) for number in range(count)])
        await session.commit()


async def one_by_one(client: Client, actor: str, count: int) -> None:
    """Each in a transaction of its own, one after the other."""
    for number in range(count):
        await jobs.enqueue_alone(client, actors[actor], number)


async def in_sessions(client: Client, actor: str, count: int) -> None:
    """Each in a session, as beside a caller's own rows, one after the other."""
    for number in range(count):
        async with client.session() as session:
            await jobs.enqueue(session, actors[actor], number)
            await session.commit()


async def idle(client: Client, actor: str, count: int) -> None:
    """To a worker that has nothing to do."""
    pause = random.Random(count)
    for _ in range(count):
        await asyncio.sleep(pause.uniform(0.1, 0.7))
        await jobs.enqueue_alone(client, actors[actor], time.time())


async def cancel(client: Client, actor: str, count: int) -> None:
    """One after the other: cancelled in the middle of a run, and waited for. Notes when each was asked for."""
    asked = []
    for number in range(count):
        async with client.session() as session:
            job_id = (await jobs.enqueue(session, actors[actor], number)).id
            await session.commit()
        await wait_for(partial(_runs, client, job_id), what="the job to run")
        async with client.session() as session:
            await session.connection()  # connecting is not cancelling
            asked.append(time.time())
            await control.cancel(session, job_id, who="benchmark")
            await session.commit()
        with contextlib.suppress(JobCancelled):
            await jobs.wait(client, job_id, 60)
    (FOLDER / CANCELS).write_text("\n".join(map(str, asked)))


async def _runs(client: Client, job_id: uuid.UUID) -> bool:
    async with client.session() as session:
        return (await jobs.get(session, job_id)).state == "running"


async def main(way: str, actor: str, count: int) -> float:
    """Seconds until the last commit has returned; the last messages leave behind that."""
    async with Client.open(settings()) as client:
        async with client.session() as session:
            await session.connection()  # connecting is not enqueueing
        started = time.perf_counter()
        ways = {"many": many, "one": one_by_one, "sessions": in_sessions, "idle": idle, "cancel": cancel}
        await ways[way](client, actor, count)
        return time.perf_counter() - started


if __name__ == "__main__":
    print(uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
