"""Stops: a worker that is asked to end ends in time, with what it ran either finished or back in the queue."""

import signal
import uuid
from collections.abc import Callable

import psutil
import pytest

from runtime.client import Client
from services.jobs import call
from tests.conftest import StartProcess
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    attempts,
    effects,
    ended,
    enqueue,
    enqueue_all,
    fetch,
    go,
    noted,
    relaying,
    row,
    started,
    value,
)
from tests.runtime.some_actors import (
    WAYS_TO_WAIT,
    deaf_async,
    hold_async,
    hold_sync,
    job_of,
    lock_sync,
    tick_async,
    wait_in_its_way,
)
from tests.support.process import Process
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.some_actors"
STOPPING = "Sending signal"  # what Dramatiq's main process says when it has been asked


def once(process: Process) -> None:
    process.send_signal(signal.SIGTERM)


def the_group(process: Process) -> None:
    """As Heroku, honcho and systemd do it."""
    process.send_signal(signal.SIGTERM, to_group=True)


def twice(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)


def ctrl_c(process: Process) -> None:
    process.send_signal(signal.SIGINT, to_group=True)


Ask = Callable[[Process], None]


@pytest.mark.parametrize("ask", [once, the_group])
async def test_an_idle_worker_stops_at_once(client: Client, stage: None, worker: StartProcess, ask: Ask) -> None:
    """Given a grace of ten minutes and nothing to do, when it is asked to stop, then none of it is used up."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="600")
    ask(process)
    assert await process.ended() == 0


@pytest.mark.parametrize("ask", [the_group, twice])
async def test_jobs_that_end_within_the_grace_are_finished(
    client: Client, stage: None, worker: StartProcess, ask: Ask
) -> None:
    """Given a job of each kind that runs, when the worker is asked to stop, then it waits for them, takes nothing new,
    and ends."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="100")
    running = [await enqueue(client, hold_async, "asynchronous"), await enqueue(client, hold_sync, "synchronous")]
    await started(client, "asynchronous", "synchronous")

    ask(process)
    await process.says(STOPPING)
    await go(client, "asynchronous")
    await go(client, "synchronous")

    assert await process.ended() == 0
    jobs = [await row(client, job_id) for job_id in running]
    assert [(job.state, job.attempt - job.releases, job.result) for job in jobs] == [("succeeded", 1, "held")] * 2


@pytest.mark.parametrize("ask", [once, the_group, twice, ctrl_c])
async def test_jobs_that_outlast_the_grace_go_back_to_the_queue(
    client: Client, stage: None, worker: StartProcess, ask: Ask
) -> None:
    """Given a grace of a second and a job of each kind that goes on, when the worker is asked to stop, then it ends
    soon, both are queued as if nothing had happened, and no attempt is used up."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="1")
    running = [await enqueue(client, hold_async, "asynchronous"), await enqueue(client, hold_sync, "synchronous")]
    await started(client, "asynchronous", "synchronous")
    before = [await row(client, job_id) for job_id in running]

    ask(process)

    assert await process.ended() == 0
    for was in before:
        job = await row(client, was.id)
        assert (job.state, job.worker, job.dispatched_at, job.error) == ("queued", None, None, None)
        assert (job.releases, job.attempt) == (was.releases + 1, was.attempt)
        assert job.max_attempts == job.attempt + 1, "one more than its actor allows, as one run was not its own"
        assert await attempts(client, was.id) == []


async def test_what_went_back_runs_on_the_next_worker(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    first = await worker(ACTORS, SHUTDOWN_GRACE="0")
    running = [await enqueue(client, hold_async, "asynchronous"), await enqueue(client, hold_sync, "synchronous")]
    await started(client, "asynchronous", "synchronous")
    before = [(await row(client, job_id)).attempt for job_id in running]
    once(first)
    await first.ended()

    await scheduler()
    await worker(ACTORS)
    await go(client, "asynchronous")
    await go(client, "synchronous")

    for job_id, attempt in zip(running, before, strict=True):
        job = await ended(client, job_id)
        assert job.state == "succeeded"
        assert job.attempt > attempt
    assert sorted(await effects(client)) == ["asynchronous", "synchronous"]


async def test_an_async_job_goes_back_however_it_waits(client: Client, stage: None, worker: StartProcess) -> None:
    """Given jobs that wait in wait_for, gather, a TaskGroup, a timeout, or turn the cancellation into one of their own,
    when the worker stops, then each is released: none has failed."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="0")
    for way in WAYS_TO_WAIT:
        await enqueue(client, wait_in_its_way, way, way)
        await noted(client, f"{way} started")
    once(process)
    assert await process.ended() == 0
    found = await fetch(client, "select args->>0 as way, state, releases from jobs")
    assert {each["way"]: (each["state"], each["releases"]) for each in found} == dict.fromkeys(
        WAYS_TO_WAIT, ("queued", 1)
    )
    assert await value(client, "select count(*) from job_attempts") == 0


@BOTH_KINDS
async def test_what_was_fetched_and_not_started_goes_back_too(
    client: Client, stage: None, worker: StartProcess, kind: str
) -> None:
    """Given more jobs than the worker can run at once, when it stops, then not one of them is left running."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="0", ASYNC_CONCURRENCY="5")
    await enqueue_all(client, [call(job_of(kind, "hold"), "never")] * 50)
    async with relaying(client):
        await noted(client, "never started", times=4)
    once(process)
    assert await process.ended() == 0
    assert await value(client, "select count(*) from jobs where state = 'queued' and worker is null") == 50


async def test_every_thread_is_interrupted(client: Client, stage: None, worker: StartProcess) -> None:
    """Given many jobs on threads, each of which ends as soon as it is interrupted, when the worker stops, then none is
    passed over because another has just ended."""
    process = await worker(ACTORS, "--threads", "64", SHUTDOWN_GRACE="0")
    await enqueue_all(client, [call(hold_sync, "never")] * 64)
    async with relaying(client):
        await noted(client, "never started", times=64)
    before = await value(client, "select sum(releases) from jobs")
    once(process)
    assert await process.ended() == 0
    assert await value(client, "select count(*) from jobs where state = 'queued'") == 64
    assert await value(client, "select sum(releases) from jobs") == before + 64


async def test_a_job_that_is_deaf_does_not_hold_the_others(client: Client, stage: None, worker: StartProcess) -> None:
    """Given an async job that catches its cancellation and goes on, when the worker stops, then it ends all the same,
    its other jobs are queued again, and the deaf one is left to be rescued."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="0")
    deaf = await enqueue(client, deaf_async, "deaf")
    others = [await enqueue(client, hold_async, "asynchronous"), await enqueue(client, hold_sync, "synchronous")]
    await started(client, "deaf", "asynchronous", "synchronous")
    once(process)
    assert await process.ended() == 0
    assert [(await row(client, job_id)).state for job_id in others] == ["queued", "queued"]
    assert (await row(client, deaf)).state == "running"
    assert await value(client, "select count(*) from workers") == 1, "its row stays until it is found dead"


async def test_a_job_that_waits_in_its_transaction_goes_back(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a sync job that waits for somebody else's row, when the worker stops, then the job is interrupted there."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="0")
    async with client.database.connection() as connection, connection.transaction():
        await connection.execute("select from alembic_version for update")
        waiting = await enqueue(client, lock_sync, "waiting")
        await started(client, "waiting")
        before = (await row(client, waiting)).releases
        once(process)
        assert await process.ended() == 0
        job = await row(client, waiting)
    assert (job.state, job.releases, await attempts(client, waiting)) == ("queued", before + 1, [])


TICKS = 150  # each of 20 ms at least


async def ticks(client: Client, key: str) -> int:
    return int(await client.redis.get(f"stage:ticks:{key}") or 0)


async def first_job_left(client: Client, key: str) -> uuid.UUID:
    """Enqueue one job after the other until one is not run, though its worker has had the time for it: Dramatiq looks
    up once a second."""
    while True:
        job_id, begin = await enqueue(client, job_of("async", "echo")), await ticks(client, key)

        async def decided(job_id: uuid.UUID = job_id, begin: int = begin) -> str | None:
            has_ended = (await row(client, job_id)).outcome is not None
            return "run" if has_ended else "left" if await ticks(client, key) > begin + TICKS else None

        if await wait_for(decided, what="a job to be run, or left") == "left":
            return job_id


async def test_nothing_new_is_taken_while_it_stops(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a worker that waits for its last job, when others are enqueued, then before long one is left for the next
    worker, and stays so."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="100")
    await enqueue(client, tick_async, "last")
    await noted(client, "last started")
    once(process)
    await process.says("Stopping worker process")
    late = await first_job_left(client, "last")
    await go(client, "last")
    assert await process.ended() == 0
    assert (await row(client, late)).state == "queued"


async def test_jobs_go_on_over_a_restart_under_load(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a backlog, when its worker is replaced in the middle of it, then every job has its effect once."""
    first = await worker(ACTORS, SHUTDOWN_GRACE="0")
    await scheduler()
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for number in range(400) for kind in ("async", "sync")]
    await enqueue_all(client, calls)

    async def half_way() -> bool:
        return bool(await value(client, "select count(*) > 200 from stage.effects"))

    await wait_for(half_way)
    the_group(first)
    assert await first.ended() == 0
    await worker(ACTORS)

    async def done() -> bool:
        return bool(await value(client, "select count(*) = 800 from jobs where state = 'succeeded'"))

    await wait_for(done)
    done_once = await effects(client)
    assert len(done_once) == len(set(done_once)) == 800


async def test_workers_do_not_outlive_their_main_process(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a running job, when the main process is killed, then its children end by themselves, the job finished."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="100")
    job_id = await enqueue(client, hold_async, "orphan")
    await noted(client, "orphan started")
    children = psutil.Process(process.pid).children(recursive=True)
    assert children

    process.send_signal(signal.SIGKILL)
    await go(client, "orphan")

    def gone() -> bool:
        return all(not child.is_running() or child.status() == psutil.STATUS_ZOMBIE for child in children)

    await wait_for(gone, what="the worker's children to end")
    assert (await row(client, job_id)).state == "succeeded"


async def test_a_worker_that_cannot_go_on_ends(client: Client, worker: StartProcess) -> None:
    """Given a worker whose heartbeat fails for another reason than a server that is away, then it ends and says why,
    instead of taking messages and doing nothing with them."""
    process = await worker("tests.runtime.some_actors", WORKER_LEASE="3")
    await wait_for(lambda: value(client, "select count(*) = 1 from workers"))
    await fetch(client, "alter table workers rename to away")
    try:
        await wait_for(lambda: process.code is not None, what="the worker to end")
    finally:
        await fetch(client, "alter table away rename to workers")
    assert "this worker cannot go on; it ends" in process.output
