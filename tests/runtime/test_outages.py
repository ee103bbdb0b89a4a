"""Servers that go away and come back: nothing is lost, nothing is doubled, and nobody has to be restarted."""

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.client import Client
from runtime.transport import Keys
from services.jobs import call
from settings import Settings
from tests.runtime.engine import SCHEDULER, WORKER
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.line import Line
from tests.runtime.observing import (
    all_ended,
    attempts,
    effects,
    ended,
    enqueue,
    enqueue_all,
    fetch,
    go,
    noted,
    notes,
    nothing_left,
    put_message,
)
from tests.runtime.some_actors import job_of
from tests.support.process import Process
from tests.support.waiting import wait_for


class Lines:
    """A worker and a scheduler whose lines to both servers can be cut; one that has ended is started again."""

    def __init__(self, postgres: Line, redis: Line, folder: Path) -> None:
        self.postgres, self.redis, self._folder = postgres, redis, folder
        self._processes: dict[str, Process] = {}

    @property
    def worker(self) -> Process:
        return self._processes["worker"]

    async def run(self) -> None:
        self.postgres.mend()
        self.redis.mend()
        await asyncio.gather(
            self._start("worker", WORKER, "Worker process is ready for action"),
            self._start("scheduler", SCHEDULER, "scheduling is ready"),
        )

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()

    async def _start(self, name: str, command: list[str], ready: str) -> None:
        process = self._processes.get(name)
        if process is None or process.code is not None:
            variables = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url, "SHUTDOWN_GRACE": "2"}
            log = self._folder / f"{name}-{secrets.token_hex(4)}.log"
            self._processes[name] = process = Process(command, {"PYTHONUNBUFFERED": "1", **variables}, log)
            await process.says(ready)


@pytest_asyncio.fixture(scope="module")
async def running(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lines]:
    settings = Settings()
    async with Line.to(str(settings.database_url)) as postgres, Line.to(settings.redis) as redis:
        lines = Lines(postgres, redis, tmp_path_factory.mktemp("lines"))
        yield lines
        lines.kill()


@pytest_asyncio.fixture
async def lines(running: Lines, client: Client, stage: None) -> AsyncIterator[Lines]:
    await running.run()
    before = running.worker.output
    yield running
    sys.stdout.write(running.worker.output[len(before) :])


async def knocked(line: Line) -> None:
    """Wait until somebody has noticed that the line is cut."""
    await wait_for(lambda: line.refused > 1, what="a connection to be refused")


async def fetched(client: Client, queue: str) -> None:
    """Wait until a worker has taken everything out of the queue's list."""

    async def empty() -> bool:
        return not await client.redis.exists(Keys.of(queue).waiting)

    await wait_for(empty, what=f"the list of {queue} to be empty")


async def flap(line: Line) -> None:
    """Cut and mend a line ten times within three seconds."""
    for _ in range(10):
        line.cut()
        await asyncio.sleep(0.05)
        line.mend()
        await asyncio.sleep(0.25)


@BOTH_KINDS
async def test_a_job_that_ends_while_postgresql_is_away_has_ended(client: Client, lines: Lines, kind: str) -> None:
    """Given a running job, when PostgreSQL goes away before its end, then its success is written when it is back."""
    job_id = await enqueue(client, job_of(kind, "linger"), "away")
    await noted(client, "away started")
    lines.postgres.cut()
    await go(client, "away")
    await noted(client, "away ended")
    await knocked(lines.postgres)
    lines.postgres.mend()
    job = await ended(client, job_id)
    assert (job.state, job.attempt, job.result) == ("succeeded", 1, "lingered")


@BOTH_KINDS
async def test_a_job_that_ends_while_redis_is_away_has_ended(
    client: Client, lines: Lines, tmp_path: Path, kind: str
) -> None:
    """Given a running job, when Redis goes away before its end, then its end is written at once all the same, and its
    message is acknowledged once Redis is back."""
    away = tmp_path / "away"
    job_id = await enqueue(client, job_of(kind, "outlast"), str(away))
    await wait_for(Path(f"{away} started").exists, what="the job's start")
    lines.redis.cut()
    away.touch()
    job = await ended(client, job_id)
    lines.redis.mend()
    assert (job.state, job.attempt) == ("succeeded", 1)
    await nothing_left(client, f"stage-{kind}")


@BOTH_KINDS
async def test_after_redis_was_away_new_jobs_run(client: Client, lines: Lines, kind: str) -> None:
    lines.redis.cut()
    await knocked(lines.redis)
    job_id = await enqueue(client, job_of(kind, "echo"), 1)
    lines.redis.mend()
    assert (await ended(client, job_id)).state == "succeeded"


@BOTH_KINDS
async def test_a_message_that_comes_while_postgresql_is_away_becomes_a_job(
    client: Client, lines: Lines, kind: str
) -> None:
    """Given a worker without PostgreSQL, when another program's message comes, then it waits, and becomes a job."""
    lines.postgres.cut()
    await put_message(client, f"stage-{kind}", f"act_{kind}", args=["foreign"])
    await fetched(client, f"stage-{kind}")
    await knocked(lines.postgres)
    lines.postgres.mend()

    async def done() -> bool:
        return await effects(client) == ["foreign"]

    await wait_for(done)


async def test_after_all_of_postgresqls_connections_were_ended_new_jobs_run(client: Client, lines: Lines) -> None:
    """Given a pool of connections that the server has closed, then a job enqueued now, one due later and one that
    fails first all run, with no attempt lost to a dead connection."""
    await ended(client, await enqueue(client, job_of("async", "echo")))
    await client.database.engine.dispose()
    async with client.database.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database() and application_name = 'callboard'"
        )
    jobs = [await enqueue(client, job_of(kind, name), 1) for kind in ("async", "sync") for name in ("echo", "fail")]
    for job_id in jobs:
        assert (await ended(client, job_id)).state == "succeeded"
    assert [len(await attempts(client, job_id)) for job_id in jobs] == [0, 1, 0, 1]


async def test_a_lost_answer_to_a_fetch_strands_no_job(client: Client, lines: Lines) -> None:
    """Given a fetch whose answer was lost while the worker lives on, then its job runs all the same."""
    await ended(client, await enqueue(client, job_of("async", "echo")))
    lines.redis.lose_the_reply_to(b"dramatiq:__heartbeats__")
    await wait_for(lambda: lines.redis.has_lost_it)
    assert (await ended(client, await enqueue(client, job_of("async", "echo"), 1))).state == "succeeded"


@pytest.mark.parametrize("server", ["postgres", "redis"])
async def test_a_flapping_server_loses_and_doubles_nothing(client: Client, lines: Lines, server: str) -> None:
    """Given connections that are cut again and again while a thousand jobs run, answers lost among them, then each job
    has its effect once, and each succeeds."""
    names: list[tuple[str, Any]] = [(kind, number) for number in range(500) for kind in ("async", "sync")]
    calls = [call(job_of(kind, "act"), f"{kind} {number}") for kind, number in names]
    await enqueue_all(client, calls, max_retries=50)
    await flap(getattr(lines, server))
    await all_ended(client, 1_000)
    done = await effects(client)
    assert len(done) == len(set(done)) == 1_000
    states = await fetch(client, "select state, count(*) as number from jobs group by 1")
    assert [tuple(found) for found in states] == [("succeeded", 1_000)]


async def test_a_worker_stops_also_while_postgresql_is_away(client: Client, lines: Lines) -> None:
    """Given no PostgreSQL and jobs to claim, when the worker is asked to stop, then it ends within its grace and a
    little, as the platform's SIGKILL would come next."""
    lines.postgres.cut()
    await enqueue(client, job_of("async", "echo"))
    await enqueue(client, job_of("sync", "echo"))
    await fetched(client, "stage-async")
    await fetched(client, "stage-sync")
    await knocked(lines.postgres)
    lines.worker.send_signal(signal.SIGTERM)
    assert await lines.worker.ended(timeout=45) == 0
    assert await notes(client) == []
