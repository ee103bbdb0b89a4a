"""A process that enqueues dies between its commit and the sending."""

import sys
import uuid

from tests.faults.conftest import Record
from tests.faults.stage import Stage

ENQUEUE = """
import asyncio, os, signal
from runtime.client import Client
from runtime.outbox import Outbox
from services import jobs
from settings import settings
from tests.faults import fault_actors as act

def die(*_):  # in the place of the sending: the transaction has committed
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    Outbox.send = die
    async with Client.open(settings()) as client, client.session() as session:
        for job in await jobs.enqueue_many(session, [jobs.call(act.work_async, 0.0)] * 500):
            print(job, flush=True)
        await session.commit()

asyncio.run(main())
"""
SENT_WITHIN = 10  # seconds


async def test_killed_between_commit_and_send(stage: Stage, record: Record) -> None:
    """Given a process that dies right after its commit, then its jobs are sent within 10 s."""
    await stage.scheduler()
    await stage.worker()
    producer = stage.launch(sys.executable, "-c", ENQUEUE)
    assert await producer.ended() == -9
    stage.strike()
    stage.ids = [uuid.UUID(line) for line in producer.output.split()]
    assert len(stage.ids) == 500
    outcome = await stage.outcome("the enqueuing process killed between commit and send")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN
