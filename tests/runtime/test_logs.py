"""What a job logs is kept with it: whichever way it logs, whatever it logs, and never another job's lines."""

import asyncio
import uuid
from typing import Any

from runtime.client import Client
from services import logs
from services.jobs import call
from services.logs import Filter, Line
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import ended, enqueue, enqueue_all, reaches
from tests.runtime.telemetry_actors import broker


async def lines_of(client: Client, job_id: uuid.UUID, **only: Any) -> list[Line]:
    async with client.database.session() as session:
        return await logs.since(session, job_id, None, only=Filter(**only))


@BOTH_KINDS
async def test_each_way_of_logging_is_kept(client: Client, engine: Engine, kind: str) -> None:
    """Given a job that logs by its handle, by logging and by structlog, then its lines are there with level, message
    and fields, what is no JSON as it shows itself, and an error with its traceback."""
    job = await ended(client, await enqueue(client, broker.actors[f"logging_each_way_{kind}"]))
    lines = await lines_of(client, job.id)
    assert [(line.number, line.level, line.message) for line in lines] == [
        (1, "info", "from the handle"),
        (2, "warning", "from logging"),
        (3, "error", "from structlog"),
        (4, "info", "formatted too"),
        (5, "error", "with a traceback"),
    ]
    assert lines[0].fields == {"number": "1", "odd": "an odd one", "large": str(2**70)}
    assert lines[1].fields == {"number": 2, "logger": "stage.plain"}
    assert lines[2].fields == {"number": 3, "logger": "stage.structured"}
    assert lines[3].fields == {}
    assert "Unlucky: caught" in lines[4].fields["exception"]
    assert {line.attempt for line in lines} == {1}


@BOTH_KINDS
async def test_what_cannot_be_shown_does_no_harm(client: Client, engine: Engine, kind: str) -> None:
    """Given lines that neither JSON nor PostgreSQL takes, then the job goes on, and what can be kept of them is."""
    actor = broker.actors[f"logging_what_cannot_be_shown_{kind}"]
    job = await ended(client, await enqueue(client, actor, "w" * 20_000))
    assert job.state == "succeeded"
    lines = await lines_of(client, job.id)
    assert (lines[0].message, lines[-1].message) == ("a\\0b \\ud800", "after")
    assert "raises RuntimeError" in lines[0].fields["mute"]
    assert "20,000 characters" in lines[0].fields["wide"]


@BOTH_KINDS
async def test_the_lines_of_jobs_at_once_are_not_mixed(client: Client, engine: Engine, kind: str) -> None:
    names = [f"job {number}" for number in range(4 if kind == "sync" else 50)]
    actor = broker.actors[f"logging_in_turns_{kind}"]
    ids = await enqueue_all(client, [call(actor, name, 30) for name in names])
    for name, job_id in zip(names, ids, strict=True):
        await ended(client, job_id)
        lines = await lines_of(client, job_id)
        assert [line.message for line in lines] == [f"{name} {number}" for number in range(30)]
        assert [line.number for line in lines] == list(range(1, 31))


@BOTH_KINDS
async def test_why_a_job_failed_is_in_its_log(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, broker.actors[f"telling_and_ending_{kind}"], "fail"))
    assert [line.level for line in await lines_of(client, job.id, level="error")] == ["error"]


async def test_followers_are_told_at_once(client: Client, engine: Engine) -> None:
    """Given somebody who follows a job, then every line comes, in order, and following ends with the job."""
    job_id = await enqueue(client, broker.actors["logging_in_turns_async"], "followed", 300)
    messages = [line.message async for line in logs.follow(client, job_id)]
    assert messages == [f"followed {number}" for number in range(300)]
    assert (await reaches(client, job_id, "succeeded")).attempt == 1


async def test_nothing_is_left_of_a_watch_that_is_over(client: Client) -> None:
    """Given one who has watched, when that is over, then nobody listens any more, right then."""
    before = asyncio.all_tasks()
    async with client.watcher.watch() as every:
        assert await every.changed(60)  # the first time: since when it listens
    assert asyncio.all_tasks() <= before


async def test_who_watches_hears_of_a_job(client: Client, engine: Engine) -> None:
    """Given one who watches a job and one who watches all, when it runs, then both hear of it, and one who watches
    another job does not."""
    actor = broker.actors["logging_in_turns_async"]
    job_id = uuid.uuid4()
    async with client.watcher.watch() as every, client.watcher.watch(job_id) as other:
        await asyncio.gather(every.changed(60), other.changed(60))  # the first time: since when they listen
        await ended(client, await enqueue(client, actor, "watched", 1_000))
        assert await every.changed(60)
        assert not await other.changed(0)
