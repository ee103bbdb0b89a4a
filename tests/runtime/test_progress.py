"""How far a job says it has come: seen while it runs, not written too often, and its last word never lost."""

import itertools
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from runtime.client import Client
from runtime.transport import CONTROL
from services import progress
from services.progress import Progress
from tests.runtime import control_actors, telemetry_actors
from tests.runtime.engine import Engine
from tests.runtime.kinds import BOTH_KINDS
from tests.runtime.observing import ended, enqueue, fetch, go, noted, reaches, value
from tests.support.waiting import wait_for

broker = telemetry_actors.broker
REFUSED = "given up were refused"
assert control_actors.broker is broker


async def told(client: Client, job_id: uuid.UUID) -> Progress | None:
    async with client.database.session() as session:
        return await progress.get(session, job_id)


async def last_word(client: Client, job_id: uuid.UUID) -> tuple[Any, ...]:
    found = await told(client, job_id)
    assert found is not None, "nothing was told"
    return found.current, found.total, found.message


@pytest_asyncio.fixture
async def writes(client: Client, stage: None) -> AsyncIterator[None]:
    """Each write of progress leaves a row in stage.writes."""
    await fetch(client, "create table if not exists stage.writes (job uuid, current float8, at timestamptz)")
    await fetch(client, "truncate stage.writes")
    async with client.database.connection() as connection:
        await connection.execute(
            """
            create or replace function stage.note_write() returns trigger language plpgsql as $$
            begin insert into stage.writes values (new.job_id, new.current, clock_timestamp()); return null; end $$;
            create or replace trigger note_write after insert or update on job_progress
            for each row execute function stage.note_write()
            """
        )
    yield
    await fetch(client, "drop trigger note_write on job_progress")


@BOTH_KINDS
async def test_many_words_are_few_writes(client: Client, engine: Engine, writes: None, kind: str) -> None:
    """Given a job that tells a new number all the time until it was heard four times, then at most two writes a second
    are made, no two within half a second but the last one, which is the last word, and the job was seen half-way."""
    job_id = await enqueue(client, broker.actors[f"telling_often_{kind}"], "enough")

    async def heard() -> bool:
        return bool(await value(client, "select count(*) >= 4 from stage.writes"))

    await wait_for(heard)
    await go(client, "enough")
    job = await ended(client, job_id)
    assert job.result is not None
    found = await told(client, job.id)
    assert found is not None
    assert (found.current, found.message, found.extra) == (job.result, f"number {job.result}", {"told": job.result})
    rows = await fetch(client, "select current, extract(epoch from at)::float8 as at from stage.writes order by at")
    assert rows[0]["current"] * 2 < job.result
    assert len(rows) * 20 < job.result
    pauses = [after["at"] - before["at"] for before, after in itertools.pairwise(rows[:-1])]
    assert all(pause > 0.4 for pause in pauses), pauses


@BOTH_KINDS
@pytest.mark.parametrize(
    ("how", "state"), [("succeed", "succeeded"), ("fail", "failed"), ("cancel", "cancelled"), ("snooze", "queued")]
)
async def test_the_last_word_is_not_lost(client: Client, engine: Engine, kind: str, how: str, state: str) -> None:
    """Given a job that ends just after its last word, then whoever sees the end sees that word, and all it logged."""
    job_id = await enqueue(client, broker.actors[f"telling_and_ending_{kind}"], how)
    await wait_for(lambda: has_run(client, job_id))
    assert (await reaches(client, job_id, state)).attempt == 1
    assert await last_word(client, job_id) == (50, 50, None)
    assert await value(client, "select count(*) from job_logs where message = 'told'") == 50


async def has_run(client: Client, job_id: uuid.UUID) -> bool:
    found = await fetch(client, "select attempt, state from jobs where id = $1", job_id)
    return bool(found[0]["attempt"] == 1 and found[0]["state"] != "running")


@BOTH_KINDS
async def test_a_word_told_in_the_jobs_own_transaction_is_not_lost(client: Client, engine: Engine, kind: str) -> None:
    job = await ended(client, await enqueue(client, broker.actors[f"telling_and_committing_{kind}"]))
    assert (job.state, await last_word(client, job.id)) == ("succeeded", (2, 2, None))


@BOTH_KINDS
async def test_progress_is_seen_while_the_job_runs_and_at_a_pause(client: Client, engine: Engine, kind: str) -> None:
    """Given a loop that is paused in the middle, then how far it has come is seen, and is what it goes on from."""
    job_id = await enqueue(client, broker.actors[f"loop_{kind}"], 200, 0.01, transactional=False, hold_at=190)

    async def is_on_its_way() -> bool:
        found = await told(client, job_id)
        return found is not None and found.current > 0

    await wait_for(is_on_its_way)
    await fetch(client, "update jobs set control = 'pause' where id = $1", job_id)
    await client.redis.publish(CONTROL, "")
    await reaches(client, job_id, "paused")
    loops = await value(client, "select data->'loops'->>'each' from job_checkpoints where job_id = $1", job_id)
    assert await last_word(client, job_id) == (float(loops), 200, None)


@BOTH_KINDS
async def test_a_loop_tells_how_far_it_has_come(client: Client, engine: Engine, kind: str) -> None:
    """Given a loop that fails half-way, then the rate of its next attempt counts from there."""
    job = await ended(client, await enqueue(client, broker.actors[f"telling_loop_{kind}"], 40, 25))
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert await last_word(client, job.id) == (40, 40, None)
    row = (await fetch(client, "select attempt, started_current from job_progress"))[0]
    assert (row["attempt"], row["started_current"]) == (2, 25)


async def test_an_actors_own_words_stand_against_its_loops(client: Client, engine: Engine) -> None:
    job = await ended(client, await enqueue(client, broker.actors["telling_in_a_loop"], 30))
    assert await last_word(client, job.id) == (7, 9, "my own")


@BOTH_KINDS
async def test_a_run_that_was_given_up_tells_nothing_more(client: Client, engine: Engine, kind: str) -> None:
    """Given a run that was given up while another one counts, when it tells something, then that is refused."""
    job_id = await enqueue(client, broker.actors[f"telling_when_told_{kind}"], "zombie")
    await noted(client, "ready zombie")
    await wait_for(lambda: told(client, job_id))
    await fetch(client, "update jobs set attempt = 2, worker = gen_random_uuid() where id = $1", job_id)
    said = engine.worker.output.count(REFUSED)
    await go(client, "zombie")
    await engine.worker.says(REFUSED, times=said + 1)
    assert await last_word(client, job_id) == (1, 3, "before")
    await fetch(client, "delete from jobs")


@BOTH_KINDS
@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"current": -1}, "current"),
        ({"current": "5"}, "current"),
        ({"current": True}, "current"),
        ({"current": 2**70}, "current"),
        ({"current": 1, "total": "many"}, "total"),
        ({"current": 1, "message": 5}, "message"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: Client, engine: Engine, kind: str, what: dict[str, Any], field: str
) -> None:
    job = await ended(client, await enqueue(client, broker.actors[f"telling_wrongly_{kind}"], _within_64_bits(what)))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == "BadArguments"
    assert job.error["message"].startswith(field)


def _within_64_bits(what: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if value == 2**70 else value for name, value in what.items()}
