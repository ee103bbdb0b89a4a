"""The jobs of dead workers go back to the queue."""

import time
import uuid

import pytest

import services.workers
from db import jobs, workers
from runtime.client import Client
from runtime.ids import uuid7
from scheduling import rescuer
from scheduling.leader import Leader
from scheduling.rescuer import Rescuer
from services.jobs import Options
from tests.runtime.observing import attempts, enqueue_with, fetch, row
from tests.runtime.some_actors import job_of

LEASE = 60.0  # seconds; far more than a machine stalls

pytestmark = pytest.mark.usefixtures("nobody")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the schedulers had been up for long: workers have had their time to be heard of."""
    monkeypatch.setattr(rescuer, "_HEARING", 0.0)


async def leader(client: Client) -> Leader:
    leader = Leader(client.database, 60.0)
    await leader.run_once()
    return leader


async def a_worker(client: Client, silent_for: float) -> uuid.UUID:
    worker = uuid7()
    await fetch(client, workers.REGISTER, worker, "host", 1, "process", ["stage-async"], 1, 1, "0", "3", "2")
    silence = "update workers set heartbeat_at = now() - make_interval(secs => $2) where id = $1"
    await fetch(client, silence, worker, silent_for)
    return worker


async def a_job_of(client: Client, worker: uuid.UUID, max_retries: int = 3) -> uuid.UUID:
    job = await enqueue_with(client, Options(max_retries=max_retries), job_of("async", "echo"))
    assert await fetch(client, jobs.CLAIM, [job], [0], worker)
    return job


class Stopwatch:
    """Shows what it did at first, and so much more: what the test itself takes does not count."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.ahead = 0.0  # seconds

    def __call__(self) -> float:
        return self._began + self.ahead


async def some_rounds(rescuer: Rescuer, stopwatch: Stopwatch) -> None:
    """Those of twelve seconds, in no time."""
    for _ in range(3):
        stopwatch.ahead += 4
        await rescuer.run_once()


async def rescue(client: Client, leader: Leader) -> None:
    await Rescuer(client.database, client.redis, leader, LEASE).run_once()


@pytest.mark.usefixtures("heard")
async def test_a_dead_workers_job_is_queued_again(client: Client) -> None:
    """Given a worker that was not heard of past its lease, then its row is gone, and its job is queued again with what
    happened."""
    job = await a_job_of(client, await a_worker(client, LEASE + 1))
    await rescue(client, await leader(client))
    found = await row(client, job)
    assert (found.state, found.attempt, found.worker, found.dispatched_at) == ("queued", 1, None, None)
    assert [attempt.error_type for attempt in await attempts(client, job)] == ["WorkerDied"]
    assert await fetch(client, "select * from workers") == []


@pytest.mark.usefixtures("heard")
async def test_a_job_whose_last_attempt_it_was_has_failed(client: Client) -> None:
    job = await a_job_of(client, await a_worker(client, LEASE + 1), max_retries=0)
    await rescue(client, await leader(client))
    found = await row(client, job)
    assert (found.state, found.outcome, found.error["type"] if found.error else "") == ("failed", 2, "WorkerDied")


@pytest.mark.usefixtures("heard")
async def test_a_living_worker_keeps_its_job(client: Client) -> None:
    """Given one that is silent for half its lease, beside one that is, then only that one's job is touched."""
    mine = await a_job_of(client, await a_worker(client, LEASE - 30))
    theirs = await a_job_of(client, await a_worker(client, LEASE + 1))
    await rescue(client, await leader(client))
    assert (await row(client, mine)).state == "running"
    assert (await row(client, theirs)).state == "queued"


@pytest.mark.usefixtures("heard")
async def test_who_lost_its_term_rescues_nothing(client: Client) -> None:
    """Given a leader that believes to lead and whose term is over, then the database refuses what it does."""
    job = await a_job_of(client, await a_worker(client, LEASE + 1))
    stale = await leader(client)
    await fetch(client, "update leases set expires_at = now()")
    current = await leader(client)
    assert stale.leads
    assert current.leads
    await rescue(client, stale)
    assert (await row(client, job)).state == "running"
    await rescue(client, current)
    assert (await row(client, job)).state == "queued"


async def test_workers_are_heard_first(client: Client) -> None:
    """Given a scheduler that has just started (or was cut off), then old heartbeats say nothing yet."""
    job = await a_job_of(client, await a_worker(client, LEASE + 1))
    await rescue(client, await leader(client))
    assert (await row(client, job)).state == "running"


async def test_a_leap_of_the_clock_buries_nobody(client: Client) -> None:
    """Given a rescuer at work, when PostgreSQL's clock leaps a minute ahead of everybody's stopwatch, then old
    heartbeats say nothing, until the workers have had time to be heard of."""
    stopwatch = Stopwatch()
    rescuer = Rescuer(client.database, client.redis, await leader(client), LEASE, stopwatch)
    await rescuer.run_once()
    await some_rounds(rescuer, stopwatch)  # its first hearing is over
    living, dead = [await a_worker(client, 61) for _ in range(2)]
    mine, theirs = await a_job_of(client, living), await a_job_of(client, dead)
    stopwatch.ahead -= 60
    await rescuer.run_once()
    assert [(await row(client, job)).state for job in (mine, theirs)] == ["running", "running"]
    await fetch(client, workers.HEARTBEAT, [living], 1, 0.0)
    await some_rounds(rescuer, stopwatch)
    assert [(await row(client, job)).state for job in (mine, theirs)] == ["running", "queued"]


@pytest.mark.usefixtures("heard")
async def test_a_buried_worker_claims_nothing(client: Client) -> None:
    worker = await a_worker(client, LEASE + 1)
    job = await enqueue_with(client, Options(), job_of("async", "echo"))
    await rescue(client, await leader(client))
    assert await fetch(client, jobs.CLAIM, [job], [0], worker) == []
    assert (await row(client, job)).state == "queued"


@pytest.mark.usefixtures("heard")
async def test_what_was_lost_can_be_looked_up(client: Client) -> None:
    """Given a dead worker with two jobs, one of them in its last attempt, then it is among the lost ones for a day,
    with what became of its jobs."""
    dead = await a_worker(client, LEASE + 1)
    await a_job_of(client, dead)
    await a_job_of(client, dead, max_retries=0)
    await rescue(client, await leader(client))
    async with client.session() as session:
        [lost] = await services.workers.lost(session)
        assert (lost.id, lost.host, lost.pid, lost.queued, lost.failed) == (dead, "host", 1, 1, 1)
        assert LEASE <= (lost.found_at - lost.heard_of).total_seconds() < LEASE + 60
    await fetch(client, "update audit set done_at = done_at - interval '25 hours'")
    async with client.session() as session:
        assert await services.workers.lost(session) == []
