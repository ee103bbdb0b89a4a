"""What jobs tell while PostgreSQL is away is written when it is back; what waits until then is bounded."""

import logging
import uuid

from dramatiq import Message

from runtime.changes import Changes
from runtime.client import Client
from runtime.delivery import Delivery
from runtime.job_logs import JobLogs
from services import logs, progress
from settings import Settings
from tests.conftest import StartProcess
from tests.runtime.line import Line
from tests.runtime.observing import ended, enqueue, fetch, go, noted, value
from tests.runtime.telemetry_actors import broker
from tests.support.waiting import wait_for


async def test_what_is_told_while_postgresql_is_away_is_not_lost(
    client: Client, settings: Settings, worker: StartProcess
) -> None:
    """Given a job that logs and tells while PostgreSQL is away, then it goes on, and all is there when it is back."""
    async with Line.to(str(settings.database_url)) as line:
        await worker("tests.runtime.telemetry_actors", DATABASE_URL=line.url)
        job_id = await enqueue(client, broker.actors["logging_without_postgresql"], 500)
        await noted(client, "ready")
        line.cut()
        await go(client, "log")
        await noted(client, "logged")
        await wait_for(lambda: line.refused > 1, what="a connection to be refused")
        assert await value(client, "select count(*) from job_logs") == 0
        line.mend()
        assert (await ended(client, job_id)).state == "succeeded"
    async with client.database.session() as session:
        lines = await logs.since(session, job_id, None, only=logs.Filter(text="LINE"))
        found = await progress.get(session, job_id)
    assert [kept.message for kept in lines] == [f"line {number}" for number in range(500)]
    assert found is not None
    assert (found.current, found.percent) == (499, 99.8)


async def test_what_waits_to_be_written_is_bounded(client: Client, settings: Settings) -> None:
    """Given more lines than there is room for, then the first are kept, and a line says how many are lost."""
    job_id = await given_a_job(client)
    message: Message[object] = Message("q", "a", (), {}, {"attempt": 1}, message_id=str(job_id))
    delivery = Delivery(message, "q", "")
    kept = JobLogs(settings.model_copy(update={"job_log_kib": 100_000}), client.database, Changes(client.redis))
    for _ in range(2_000):
        kept.add(delivery, logging.INFO, "x" * 10_000, None)
    await kept.write_last([delivery])
    async with client.database.session() as session:
        last = (await logs.tail(session, job_id, 1))[0]
    lines = await value(client, "select count(*) from job_logs")
    assert 1_000 < lines < 2_000
    assert last.message == f"{2_000 - lines + 1} lines are lost: the worker could not write for too long."
    assert last.number == lines


async def test_what_a_job_told_goes_with_it(client: Client, settings: Settings) -> None:
    job_id, other = await given_a_job(client), await given_a_job(client)
    for told in (job_id, other):
        await fetch(client, "insert into job_logs values ($1, 1, 1, 20, now(), 'line', null)", told)
        await fetch(
            client,
            "insert into job_progress (job_id, attempt, current, started_current, started_at)"
            " values ($1, 1, 1, 0, now())",
            told,
        )
    await fetch(client, "delete from jobs where id = $1", job_id)
    assert [row["job_id"] for row in await fetch(client, "select job_id from job_logs")] == [other]
    assert [row["job_id"] for row in await fetch(client, "select job_id from job_progress")] == [other]


async def test_rate_and_time_left_count_this_attempt(client: Client, settings: Settings) -> None:
    """Given a job that began at 100 of 1,000 a minute ago and has come to 400, then it does five a second, and has two
    minutes left."""
    job_id = await given_a_job(client, state="running", worker=uuid.uuid4())
    await fetch(
        client,
        "insert into job_progress (job_id, attempt, current, total, started_current, started_at, updated_at)"
        " values ($1, 1, 400, 1000, 100, now() - interval '1 min', now())",
        job_id,
    )
    async with client.database.session() as session:
        found = await progress.get(session, job_id)
    assert found is not None
    assert (found.percent, round(found.rate or 0, 3)) == (40, 5)
    assert 110 < (found.eta or 0) <= 120


async def given_a_job(client: Client, state: str = "queued", worker: uuid.UUID | None = None) -> uuid.UUID:
    job_id = uuid.uuid4()
    await fetch(
        client,
        "insert into jobs (id, actor, queue, args, kwargs, state, worker, attempt)"
        " values ($1, 'a', 'q', '[]', '{}', $2, $3, 1)",
        job_id, state, worker,
    )  # fmt: skip
    return job_id
