"""Third-party middleware works for both kinds of actor, as it does in Dramatiq."""

import asyncio
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from db.models import Job
from runtime.client import Client
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import (
    attempts,
    dead,
    ended,
    enqueue,
    fetch,
    notes,
    nothing_left,
    put_message,
    row,
    value,
)
from tests.runtime.some_actors import job_of
from tests.support.process import Process
from tests.support.waiting import wait_for

COMMAND = ["dramatiq", "tests.runtime.watched_actors", "--processes", "1", "--threads", "4"]


class Watched:
    """A worker with the middleware of watched_actors, and the port on which its Prometheus answers."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        environment = {
            "dramatiq_prom_db": str(folder / "prometheus"),
            "dramatiq_prom_host": "127.0.0.1",
            "dramatiq_prom_port": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }
        self.process = Process(COMMAND, environment, folder / "worker.log")

    async def metrics(self) -> str:
        def get() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text: str = answer.read().decode()
            return text

        return await asyncio.to_thread(get)


@pytest_asyncio.fixture(scope="module")
async def running(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path_factory.mktemp("watched"))
    await watched.process.says("Worker process is ready for action")
    yield watched
    watched.process.kill()


@pytest_asyncio.fixture
async def watched(running: Watched, client: Client, stage: None) -> AsyncIterator[Watched]:
    yield running


async def done(client: Client, kind: str, name: str, *args: Any, **kwargs: Any) -> Job:
    """A job of an actor that only the watched worker knows, or any, once it has ended and is acknowledged."""
    message_id = await put_message(client, f"stage-{kind}", f"{name}_{kind}", args=args, kwargs=kwargs)

    async def look() -> list[Any]:
        return await fetch(client, "select id from jobs where id = $1::uuid and outcome is not null", message_id)

    [found] = await wait_for(look, what=f"the end of {name}_{kind}")
    await nothing_left(client, f"stage-{kind}")
    return await row(client, found["id"])


@BOTH_KINDS
async def test_current_message_knows_the_message(client: Client, watched: Watched, kind: str) -> None:
    job = await done(client, kind, "message_id")
    assert job.result == str(job.id)


@BOTH_KINDS
async def test_hooks_are_called_in_dramatiqs_order(client: Client, watched: Watched, kind: str) -> None:
    """Given two middleware, then before-hooks run first to last, after-hooks last to first."""
    await done(client, kind, "echo", "record")
    await wait_for(lambda: noted_so_many(client, 8))
    assert await notes(client) == [
        "first before_process_message",
        "second before_process_message",
        "second after_process_message 'record' NoneType",
        "first after_process_message 'record' NoneType",
        "first before_ack",
        "second before_ack",
        "second after_ack",
        "first after_ack",
    ]


@BOTH_KINDS
async def test_a_failure_reaches_the_hooks(client: Client, watched: Watched, kind: str) -> None:
    """Given a job that fails for good, then the hooks see its error, and a rejection instead of an acknowledgement."""
    await put_message(client, f"stage-{kind}", f"give_up_{kind}", args=["record"], options={"max_retries": 0})
    await wait_for(lambda: noted_so_many(client, 8))
    assert await notes(client) == [
        "first before_process_message",
        "second before_process_message",
        "second after_process_message None Unlucky",
        "first after_process_message None Unlucky",
        "first before_nack",
        "second before_nack",
        "second after_nack",
        "first after_nack",
    ]


async def noted_so_many(client: Client, number: int) -> bool:
    return len(await notes(client)) >= number


@BOTH_KINDS
async def test_a_skipped_job_is_cancelled_not_lost_and_not_tried_again(
    client: Client, watched: Watched, kind: str
) -> None:
    job = await done(client, kind, "take_anything", "record", skipped=True)
    assert (job.state, job.attempt, job.outcome) == ("cancelled", 1, 3)
    assert job.error is not None
    assert "skipped by a middleware" in job.error["message"]
    assert "first after_skip_message" in await notes(client)
    assert await attempts(client, job.id) == []
    assert await dead(client, f"stage-{kind}") == []


@BOTH_KINDS
async def test_an_error_in_a_hook_stops_no_job(client: Client, watched: Watched, kind: str) -> None:
    """Given a middleware with bugs before and after, then the job runs and succeeds all the same, as in Dramatiq."""
    job = await done(client, kind, "take_anything", tripped=True)
    assert (job.state, job.attempt) == ("succeeded", 1)


@BOTH_KINDS
async def test_a_job_over_its_age_limit_is_cancelled(client: Client, watched: Watched, kind: str) -> None:
    """Given an actor that takes nothing older than an hour, when an old message comes, then it is not run."""
    job = await done(client, kind, "age")
    assert job.state == "cancelled"
    assert await dead(client, f"stage-{kind}") == []


@BOTH_KINDS
async def test_a_job_within_its_age_limit_runs(client: Client, watched: Watched, kind: str) -> None:
    job = await ended(client, await enqueue(client, job_of(kind, "age")))
    assert job.state == "succeeded"


@BOTH_KINDS
@pytest.mark.parametrize(("fails", "news"), [(False, "well"), (True, {"type": "Unlucky", "message": "so be it"})])
async def test_callbacks_are_told_the_end(client: Client, watched: Watched, kind: str, fails: bool, news: Any) -> None:
    """Given on_success and on_failure, then the actor named there gets Dramatiq's two arguments, once."""
    job_id = await enqueue(client, job_of(kind, "call_back"), fails)

    async def heard() -> list[Any]:
        return await fetch(client, "select id from jobs where actor = 'hear' and outcome is not null")

    [found] = await wait_for(heard)
    answer = (await row(client, found["id"])).result
    assert answer is not None
    assert answer[0]["message_id"] == str(job_id)
    assert answer[1] == news
    assert await value(client, "select count(*) from jobs where actor = 'hear'") == 1


@BOTH_KINDS
async def test_prometheus_counts_what_ran(client: Client, watched: Watched, kind: str) -> None:
    """Given two jobs of an actor that have run, then the metrics say so, and that none is in progress."""
    labels = f'{{actor_name="describe_{kind}",queue_name="stage-{kind}"}}'
    for _ in range(2):
        await ended(client, await enqueue(client, job_of(kind, "describe")))

    async def counted() -> bool:
        metrics = await watched.metrics()
        return all(
            f"{name}{labels} {number}" in metrics
            for name, number in (
                ("dramatiq_messages_total", "2.0"),
                ("dramatiq_messages_inprogress", "0.0"),
                ("dramatiq_message_duration_milliseconds_count", "2.0"),
            )
        )

    await wait_for(counted)
