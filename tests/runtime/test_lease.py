"""A worker process's lease."""

import asyncio
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib import metadata

import psutil
import pytest
import pytest_asyncio

from db import jobs
from runtime.client import Client
from runtime.companion import is_alive
from runtime.lease import WorkerLease, process_name
from runtime.usage import Usage
from settings import Settings
from tests.conftest import StartProcess
from tests.runtime.observing import enqueue, fetch, noted, started, value
from tests.runtime.some_actors import blind_sync, job_of
from tests.support.waiting import wait_for


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Some other process, which has nothing to do any more."""
    process = subprocess.Popen(["sleep", "600"])
    while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


@pytest_asyncio.fixture(autouse=True)
async def nobody(client: Client) -> None:
    """No worker lives."""
    await fetch(client, "truncate workers")


def lease_of(client: Client, settings: Settings) -> WorkerLease:
    return WorkerLease(client.database, settings.model_copy(update={"worker_lease": 1.0}), ["default"], 4)


async def test_a_worker_has_a_row_and_is_heard_of(client: Client, settings: Settings) -> None:
    """Given a worker that keeps its lease, then its row tells what it is, and its heartbeat goes on."""
    lease = lease_of(client, settings)
    keeping = asyncio.create_task(lease.keep(never))
    await lease.registered.wait()
    (row,) = await fetch(client, "select * from workers")
    assert (row["id"], row["pid"], row["queues"], row["threads"]) == (lease.worker, os.getpid(), ["default"], 4)

    async def heard_of() -> bool:
        return bool(await value(client, "select heartbeat_at > $1 from workers", row["heartbeat_at"]))

    await wait_for(heard_of, what="a heartbeat")
    keeping.cancel()
    await lease.unregister()
    assert await fetch(client, "select * from workers") == []


async def test_a_worker_that_leaves_something_stays_to_be_found_dead(client: Client, settings: Settings) -> None:
    """Given a worker that stops and could not give back what it had claimed, then its row stays."""
    lease = lease_of(client, settings)
    await lease.register()
    job = await enqueue(client, job_of("async", "echo"))
    assert await fetch(client, jobs.CLAIM, [job], [0], lease.worker)
    await lease.unregister()
    assert len(await fetch(client, "select * from workers")) == 1
    assert await fetch(client, jobs.RELEASE, [job], [1], [0.0], lease.worker)
    await lease.unregister()
    assert await fetch(client, "select * from workers") == []


async def test_a_worker_that_was_given_up_starts_anew(client: Client, settings: Settings) -> None:
    """Given a worker whose row is gone, then it drops what it runs before it registers under another id."""
    lease = lease_of(client, settings)
    first, given_up = lease.worker, asyncio.Event()

    async def drop() -> None:
        assert not lease.registered.is_set()
        assert await fetch(client, "select * from workers") == []
        given_up.set()

    keeping = asyncio.create_task(lease.keep(drop))
    await lease.registered.wait()
    await fetch(client, "delete from workers")
    await asyncio.wait_for(given_up.wait(), 60)
    await asyncio.wait_for(lease.registered.wait(), 60)
    assert lease.worker != first
    assert [row["id"] for row in await fetch(client, "select id from workers")] == [lease.worker]
    keeping.cancel()


async def never() -> None:
    raise AssertionError("the worker was given up")


async def test_a_stopped_process_does_not_count_as_alive(other: subprocess.Popen[bytes]) -> None:
    assert is_alive(other.pid)
    other.send_signal(signal.SIGSTOP)
    await wait_for(lambda: not is_alive(other.pid), what="the process to be stopped")
    other.send_signal(signal.SIGCONT)
    await wait_for(lambda: is_alive(other.pid), what="the process to go on")


async def test_an_ended_process_does_not_count_as_alive(other: subprocess.Popen[bytes]) -> None:
    other.kill()
    await wait_for(lambda: not is_alive(other.pid), what="the process to end")  # a zombie: nobody has waited for it
    other.wait()
    assert not is_alive(other.pid)


def test_a_name_is_one_process_s_only(other: subprocess.Popen[bytes]) -> None:
    assert process_name(os.getpid()) == process_name(os.getpid())
    assert process_name(os.getpid()) != process_name(other.pid)


async def test_a_worker_says_which_queues_it_serves(client: Client, worker: StartProcess) -> None:
    """Given a worker that was told its queues, then its row names these and no others."""
    await worker("tests.runtime.some_actors", "--queues", "default", "maintenance")
    queues = await wait_for(lambda: value(client, "select queues from workers"), what="its row")
    assert queues == ["default", "maintenance"]


async def test_a_sync_job_of_a_worker_that_was_given_up_is_interrupted(client: Client, worker: StartProcess) -> None:
    """Given a job on a thread that asks its handle nothing, when its worker is given up, then it hears of it, and what
    it was to write is not written."""
    await worker("tests.runtime.some_actors", WORKER_LEASE="3")
    job = await enqueue(client, blind_sync, "blind")
    await started(client, "blind")
    await fetch(client, "delete from workers")
    await noted(client, "blind interrupted")
    assert await value(client, "select state from jobs where id = $1", job) == "running", "somebody else's to say"


async def test_a_worker_says_what_it_uses(client: Client, worker: StartProcess) -> None:
    """Given a worker process, then its heartbeats tell its memory and CPU, and its row which Python and Dramatiq it
    runs."""
    await worker("tests.runtime.some_actors")
    used = await wait_for(lambda: value(client, "select memory from workers where cpu is not null"), what="its usage")
    assert 2**24 < used < 2**32
    (row,) = await fetch(client, "select python, dramatiq from workers")
    assert tuple(row) == (platform.python_version(), metadata.version("dramatiq"))


def test_usage_is_measured_from_the_time_before(other: subprocess.Popen[bytes]) -> None:
    """Given a process that computes and one that sleeps, then the first has used CPU, and both hold memory."""
    mine, of_other = Usage(os.getpid()), Usage(other.pid)
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    memory, cpu = mine.since_last()
    assert (memory > 2**20, cpu > 0) == (True, True)
    memory, cpu = of_other.since_last()
    assert (memory > 0, cpu) == (True, 0.0)
    other.kill()
    other.wait()
    with pytest.raises(psutil.NoSuchProcess):
        of_other.since_last()
