"""A process dies between its commit and the sending: one that enqueues, or a relay."""

import sys
import uuid
from datetime import timedelta

import pytest

from runtime.transport import Keys
from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.proxy import Proxy
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


@pytest.mark.fault
async def test_a_relay_is_killed_between_commit_and_send(stage: Stage, record: Record) -> None:
    """Given a relay that is killed when it has marked 500 due jobs as sent, and before it has sent them, then another
    process finds that their messages are in nobody's hands, and sends them."""
    async with Proxy.to(stage.servers.valkey.url) as proxy:
        cut_off = await stage.scheduler(REDIS_URL=proxy.instead_of(stage.environment["REDIS_URL"]))
        await stage.enqueue(500, act.work_async, 0, delay=timedelta(seconds=3))
        proxy.delay = 2.0  # what it sends is on its way for so long, and gone with it
        await stage.dispatched(500)
        cut_off.kill()
    assert await stage.redis.llen(Keys.of(act.work_async.queue_name).waiting) == 0
    stage.strike()
    await stage.scheduler()
    await stage.worker()
    outcome = await stage.outcome("a relay killed between commit and send")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN + 15  # a leader's lease, and the start of two processes, too
    assert outcome.more_runs == 0
