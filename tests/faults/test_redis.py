"""Redis loses its memory, or dies: what was accepted is sent again from the rows."""

import os
import time

import pytest

from tests.faults import fault_actors as act
from tests.faults.conftest import Record
from tests.faults.stage import Stage

SENT_WITHIN = 30  # seconds


@pytest.mark.fault
async def test_flushed_with_ten_thousand_queued(stage: Stage, record: Record) -> None:
    """Given 10,000 queued jobs, when Redis is flushed, then all are sent again, and each is done once."""
    await stage.scheduler(DISPATCH_WINDOW="10000")
    await stage.enqueue(10_000, act.work_async, 0)
    await stage.waiting(10_000, act.work_async)
    await stage.redis.flushall()
    stage.strike()
    await stage.waiting(10_000, act.work_async)
    sent_after = time.time() - stage.struck_at
    await stage.worker()
    outcome = await stage.outcome("FLUSHALL with 10,000 queued, a window of 10,000", timeout=150)
    record(outcome, **{"s until sent again": round(sent_after, 1)})
    assert sent_after <= SENT_WITHIN


@pytest.mark.fault
async def test_flushed_at_work(stage: Stage, record: Record) -> None:
    """Given workers at work, when Redis is flushed three times, then each job is done once."""
    await stage.scheduler()
    await stage.worker()
    await stage.worker()
    await stage.enqueue(3_000, act.work_async, 0.2)
    for started in (100, 600, 1_100):
        await stage.started(started)
        await stage.redis.flushall()
        stage.strike()
    outcome = await stage.outcome("FLUSHALL three times while 3,000 jobs run")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN


@pytest.mark.fault
@pytest.mark.parametrize("memory", ["without its data", "with append-only everysec"])
async def test_killed(stage: Stage, record: Record, memory: str) -> None:
    """Given workers at work, when Redis is killed and comes back, then each job is done once."""
    await stage.redis.config_set("appendfsync", "everysec")
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(2_000, act.work_async, 0.5)
    await stage.enqueue(20, act.work_sync, 0.5)
    await stage.started(300)
    stage.servers.valkey.kill()
    if memory == "without its data":
        stage.servers.forget_messages()
    await stage.servers.valkey.revive()
    stage.strike()
    outcome = await stage.outcome(f"Redis kill -9 and restart {memory}")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN


@pytest.mark.fault
async def test_away_while_jobs_are_accepted(stage: Stage, record: Record) -> None:
    """Given Redis is away, when jobs are enqueued and others fail, then they are accepted, and done once it is back."""
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(50, act.work_async, 3)
    await stage.started(50)
    stage.servers.valkey.kill()
    await stage.enqueue(500, act.work_async, 0)
    await stage.until("select count(*) = 50 from jobs where state = 'succeeded'")
    await stage.servers.valkey.revive()
    stage.strike()
    outcome = await stage.outcome("Redis away while 500 jobs are accepted")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN
    assert outcome.more_runs == 0
    assert 1 <= max(stage.missed()) <= 3  # none says so at each of its tries


@pytest.mark.fault
async def test_full(stage: Stage, record: Record) -> None:
    """Given Redis has reached its maxmemory, when jobs are enqueued, then they are accepted, and done once it has
    room."""
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(100, act.work_async, 2)
    await stage.started(100)
    await stage.redis.config_set("maxmemory", "1mb")
    await stage.enqueue(1_000, act.work_async, 0)
    await stage.until("select count(*) = 100 from jobs where state = 'succeeded'")
    await stage.until("select count(*) = 1000 from jobs where state = 'queued' and dispatched_at is null")
    assert stage.said("OutOfMemoryError: command not allowed") > 0
    await stage.redis.config_set("maxmemory", "0")
    stage.strike()
    outcome = await stage.outcome("Redis maxmemory reached")
    record(outcome)
    assert outcome.seconds <= SENT_WITHIN
    assert outcome.more_runs == 0


@pytest.mark.fault
@pytest.mark.long
async def test_full_and_evicting(stage: Stage, record: Record) -> None:
    """Given a Redis that throws away what it likes when it is full, when jobs are enqueued, then they are done all the
    same, each once."""
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(100, act.work_async, 2)
    await stage.started(100)
    await stage.redis.config_set("maxmemory-policy", "allkeys-lru")
    used = int((await stage.redis.info("memory"))["used_memory"])
    await stage.redis.config_set("maxmemory", str(used + 200_000))
    await stage.enqueue(3_000, act.work_async, 0.2)
    await stage.until("select count(*) >= 500 from jobs where state = 'succeeded'")
    evicted = int((await stage.redis.info("stats"))["evicted_keys"])
    await stage.redis.config_set("maxmemory", "0")
    await stage.redis.config_set("maxmemory-policy", "noeviction")
    stage.strike()
    outcome = await stage.outcome("Redis evicts keys when it is full (allkeys-lru)")
    record(outcome, **{"keys evicted": evicted})
    assert outcome.seconds <= SENT_WITHIN
    assert evicted > 0


@pytest.mark.fault
@pytest.mark.long
async def test_the_end_of_its_file_is_lost(stage: Stage, record: Record) -> None:
    """Given workers at work, when Redis dies and its append-only file lacks the end, then what it takes for waiting is
    known to be done, what it has forgotten is sent again, and each job is done once."""
    await stage.redis.config_set("appendfsync", "everysec")
    await stage.scheduler()
    await stage.worker()
    await stage.enqueue(2_000, act.work_async, 0.5)
    await stage.started(300)
    stage.servers.valkey.kill()
    (file,) = (stage.servers.valkey.server.folder / "aof").rglob("*.incr.aof")
    os.truncate(file, file.stat().st_size * 3 // 4)
    await stage.servers.valkey.revive()
    stage.strike()
    outcome = await stage.outcome("Redis kill -9, the last quarter of its file lost")
    record(outcome)
