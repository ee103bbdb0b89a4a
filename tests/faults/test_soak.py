"""Everything that may break does, in an order that a seed decides, while jobs go on arriving."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from runtime.patience import patiently
from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import SCHEDULER, WORKER, Stage

SECONDS = int(os.environ.get("SOAK_SECONDS", "240"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
WORKERS, SCHEDULERS = 2, 2

Fault = Callable[[Stage, random.Random], Awaitable[None]]


async def kill_a_worker(stage: Stage, dice: random.Random) -> None:
    dice.choice(stage.living(*WORKER)).send_signal(signal.SIGKILL, to_group=dice.random() < 0.5)


async def stop_a_worker(stage: Stage, dice: random.Random) -> None:
    dice.choice(stage.living(*WORKER)).send_signal(signal.SIGTERM, to_group=dice.random() < 0.5)


async def freeze_a_worker(stage: Stage, dice: random.Random) -> None:
    worker = dice.choice(stage.living(*WORKER))
    worker.send_signal(signal.SIGSTOP, to_group=True)
    await asyncio.sleep(dice.uniform(1, 20))  # past its lease, or not
    worker.send_signal(signal.SIGCONT, to_group=True)


async def kill_a_scheduler(stage: Stage, dice: random.Random) -> None:
    dice.choice(stage.living(*SCHEDULER)).kill()


async def flush_redis(stage: Stage, dice: random.Random) -> None:
    await stage.redis.flushall()


async def kill_redis(stage: Stage, dice: random.Random) -> None:
    stage.servers.valkey.kill()
    if dice.random() < 0.5:
        stage.servers.forget_messages()
    await asyncio.sleep(dice.uniform(0, 5))
    await stage.servers.valkey.revive()


async def kill_postgres(stage: Stage, dice: random.Random) -> None:
    stage.servers.postgres.kill()
    await asyncio.sleep(dice.uniform(0, 5))
    await stage.servers.postgres.revive()


async def end_all_sessions(stage: Stage, dice: random.Random) -> None:
    async with stage.client.database.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )


FAULTS: list[Fault] = [
    kill_a_worker, stop_a_worker, freeze_a_worker, kill_a_scheduler, flush_redis, kill_redis, kill_postgres,
    end_all_sessions,
]  # fmt: skip


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
async def test_a_while_of_everything(stage: Stage, record: Record) -> None:
    """Given jobs of all kinds that keep coming, when one fault after the other strikes at random, then all that was
    accepted is done, each effect once, and nobody keeps connections that he does not need."""
    dice = random.Random(SEED)
    keepers = [
        asyncio.create_task(stage.keep(WORKERS, *WORKER)),
        asyncio.create_task(stage.keep(SCHEDULERS, *SCHEDULER)),
    ]
    until, struck = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        for actor, number, args in (
            (act.work_async, 200, (dice.uniform(0, 2),)),
            (act.work_sync, 10, (0.3,)),
            (act.lucky_async, 20, (0.2, True)),
            (act.items_async, 1, (50, 0.02)),
        ):
            await patiently("accepting jobs", partial(stage.enqueue, number, actor, *args))
        await asyncio.sleep(dice.uniform(3, 8))
        fault = dice.choice(FAULTS)
        if fault not in (kill_a_worker, stop_a_worker, freeze_a_worker) or stage.living(*WORKER):
            await patiently(fault.__name__, partial(fault, stage, dice))
            struck += 1
    stage.strike()
    outcome = await stage.outcome("faults of all kinds at random (soak)", timeout=180)
    for keeper in keepers:
        keeper.cancel()
    record(outcome, faults=struck, s=SECONDS)
    assert await stage.count("select count(*) from pg_stat_activity where backend_type = 'client backend'") <= 60
