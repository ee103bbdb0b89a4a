"""Worker processes that start anew: after so many jobs, when they are too large, on SIGHUP; always between jobs."""

import signal
import uuid

import psutil

from runtime.client import Client
from services.jobs import call
from tests.conftest import StartProcess
from tests.runtime.observing import all_ended, ended, enqueue, enqueue_all, go, noted, row, started
from tests.runtime.some_actors import eat_async, hold_async, hold_sync, job_of
from tests.support.process import Process
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.some_actors"
READY = "Worker process is ready for action"
ANEW = "this worker starts anew"


def children(process: Process) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


async def test_after_so_many_jobs(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a worker for 20 jobs and no grace, when it has run them, then the jobs that still run end in peace, and the
    next one runs in a new process under the same main process; nothing of the old one is left, not even a zombie."""
    process = await worker(ACTORS, WORKER_MAX_JOBS="20", SHUTDOWN_GRACE="0")
    before = {child.pid for child in children(process)}
    running = [await enqueue(client, hold_async, "asynchronous"), await enqueue(client, hold_sync, "synchronous")]
    await started(client, "asynchronous", "synchronous")
    releases = {job_id: (await row(client, job_id)).releases for job_id in running}
    await enqueue_all(client, [call(job_of("async", "echo"))] * 20)
    await process.says(ANEW)
    await process.says("Stopping worker process")
    late = await enqueue(client, job_of("async", "echo"))
    await go(client, "asynchronous")
    await go(client, "synchronous")
    await process.says(READY, times=2)
    assert (await ended(client, late)).state == "succeeded"
    for job_id in running:
        job = await row(client, job_id)
        assert (job.state, job.attempt, job.releases) == ("succeeded", releases[job_id] + 1, releases[job_id])
    assert process.code is None
    assert not before & {child.pid for child in children(process)}
    assert psutil.STATUS_ZOMBIE not in {child.status() for child in children(process)}


async def test_again_and_again(client: Client, stage: None, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given twice as many jobs as a worker may run, thrice, then it starts anew each time, and all of them are run,
    each by one attempt."""
    await scheduler()
    process = await worker(ACTORS, WORKER_MAX_JOBS="100", ASYNC_CONCURRENCY="5")
    calls = [call(job_of(kind, "nap"), 50) for kind in ("async", "sync") for _ in range(100)]
    ids: list[uuid.UUID] = []
    for times in (1, 2, 3):
        ids += await enqueue_all(client, calls)
        await all_ended(client, len(ids))
        await process.says(ANEW, times=times)
    for job_id in ids:
        job = await row(client, job_id)
        assert (job.state, job.attempt - job.releases) == ("succeeded", 1)


async def test_when_it_is_too_large(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a job that leaves 300 MiB behind, then its worker starts anew, and is small again."""
    process = await worker(ACTORS, WORKER_MAX_MEMORY="300")
    await enqueue(client, eat_async, 300)
    await process.says(READY, times=2)
    assert max(child.memory_info().rss for child in children(process)) < 300 * 2**20
    assert process.output.count(ANEW) == 1


async def test_a_sigterm_ends_the_waiting(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a worker that waits for its last job to start anew, when it gets SIGTERM, then it ends after its grace."""
    process = await worker(ACTORS, SHUTDOWN_GRACE="1")
    held = await enqueue(client, hold_async, "held")
    await noted(client, "held started")
    process.send_signal(signal.SIGHUP)
    await process.says("Stopping worker process")
    process.send_signal(signal.SIGTERM)
    assert await process.ended() == 0
    job = await row(client, held)
    assert (job.state, job.releases) == ("queued", 1)


async def test_a_companion_goes_with_its_worker(client: Client, stage: None, worker: StartProcess) -> None:
    """Given a worker process that is killed, then its companion is gone too."""
    process = await worker(ACTORS)
    companions = [child for child in children(process) if child.ppid() != process.pid]
    assert len(companions) == 1
    companions[0].parent().kill()
    await wait_for(lambda: not companions[0].is_running(), what="the companion to end")
