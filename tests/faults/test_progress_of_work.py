"""Long and many: what was done is not done again, and everything ends."""

import asyncio
import itertools
import random
import signal
import uuid
from collections import defaultdict
from pathlib import Path

import pytest

from services import jobs
from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage
from tests.support.waiting import wait_for

KILLS = 20
ITEMS = 1_000
EVERY = 10  # items from checkpoint to checkpoint


class Items:
    """Which items each attempt of each job has begun, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def begun(self, job: uuid.UUID, run: int, number: int) -> None:
        """Wait until a job has begun so many items in this run."""
        await wait_for(
            lambda: len(runs := self.of(job)) == run and len(runs[-1]) > number,
            what=f"{number} items in run {run}",
        )

    def of(self, job: uuid.UUID) -> list[list[int]]:
        """By attempt."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for job_id, attempt, item in map(str.split, lines):
            if job_id == str(job):
                found[int(attempt)].append(int(item))
        return [found[attempt] for attempt in sorted(found)]


@pytest.mark.fault
async def test_killed_again_and_again(stage: Stage, record: Record) -> None:
    """Given two jobs of 1,000 items, one with a transaction for each item, when their worker is killed at a random
    moment twenty times in a row, then they go on each time where they were: the one at the very item, the other at most
    one interval before it, and in the end every item is done, those with a transaction once."""
    items = Items(Path(stage.environment["FAULT_RUNS"] + ".items"))
    await stage.scheduler(WORKER_LEASE="3")
    (careful,) = await stage.enqueue(1, act.items_async, ITEMS, 0.03)
    (plain,) = await stage.enqueue(1, act.items_sync, ITEMS, 0.03)
    for kill in range(KILLS):
        worker = await stage.worker(WORKER_LEASE="3")
        for job in (careful, plain):
            await items.begun(job, run=kill + 1, number=2 * EVERY)
        await asyncio.sleep(random.uniform(0, 0.5))  # the fault comes at any moment
        stage.strike()
        worker.kill()
    await stage.worker()
    outcome = await stage.outcome(
        f"{KILLS} times kill -9 of the worker of two loops over {ITEMS:,} items, a lease of 3 s"
    )
    went_back = {
        job: [before[-1] + 1 - after[0] for before, after in itertools.pairwise(items.of(job))]
        for job in (careful, plain)
    }
    recovered = sum(1 for back in zip(*went_back.values(), strict=True) if max(back) <= EVERY)
    done = await stage.rows("select item from fault_effects where job = $1 order by item", careful)
    record(outcome, **{"of 20 recovered": recovered, "items repeated at most": max(went_back[plain])})
    assert recovered == KILLS
    assert max(went_back[careful]) <= 1  # the one that it was killed in
    assert [row["item"] for row in done] == list(range(ITEMS))
    assert {item for run in items.of(plain) for item in run} == set(range(ITEMS))


@pytest.mark.fault
async def test_ten_thousand_over_four_restarts(stage: Stage, record: Record) -> None:
    """Given 10,000 jobs of every kind, of which one in fifty fails the first time, when their workers are replaced four
    times, twice by force, then all of them end, and succeed."""
    await stage.scheduler()
    workers = [await stage.worker(SHUTDOWN_GRACE="1") for _ in range(2)]
    actors = [act.lucky_async, act.lucky_async, act.lucky_async, act.lucky_sync]
    calls = [jobs.call(actors[number % 4], 0.02, number % 50 == 0) for number in range(10_000)]
    async with stage.client.session() as session:
        stage.ids += await jobs.enqueue_many(session, calls)
        await session.commit()
    for restart in range(4):
        await stage.until("select count(*) >= $1 from jobs where outcome is not null", 1_500 * (restart + 1))
        stage.strike()
        if restart % 2:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                await worker.ended()
        else:
            for worker in workers:
                worker.kill()
        workers = [await stage.worker(SHUTDOWN_GRACE="1") for _ in range(2)]
    outcome = await stage.outcome(
        "10,000 mixed jobs, 2 % fail once, four restarts of all workers, grace 1 s", timeout=180
    )
    succeeded = await stage.count("select count(*) from jobs where state = 'succeeded'")
    record(outcome, **{"% succeeded": round(100 * succeeded / len(stage.ids), 2)})
    assert succeeded > 0.999 * len(stage.ids)
