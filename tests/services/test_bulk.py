"""A verb over a filter: counted, done by a job of its own, stoppable, noted in the audit."""

import uuid
from typing import Any

import pytest

from db.search import Count, Filter
from errors import BadRequest
from runtime.client import Client
from services import bulk, control, jobs
from services.control import Verb
from tests.runtime.engine import Engine
from tests.runtime.observing import effects, fetch, reaches, value
from tests.support.locks import locked, statements_wait
from tests.support.waiting import wait_for

FILL = """
insert into jobs (id, actor, queue, args, kwargs, state, attempt, outcome, error, finished_at, created_at, run_at)
select gen_random_uuid(), $1::text, 'nowhere', json_build_array(n), '{}', $2::text, 1,
       case $2 when 'succeeded' then 1 when 'failed' then 2 end,
       case $2 when 'failed' then '{"type": "Unlucky", "message": "x"}'::json end,
       case when $2 in ('succeeded', 'failed') then now() - n * interval '1 s' end,
       now() - n * interval '1 s', now() + interval '1 day'
from generate_series(1, $3::int) n
"""


async def fill(client: Client, actor: str, state: str, number: int) -> None:
    await fetch(client, FILL, actor, state, number)


async def start(client: Client, verb: Verb, **only: Any) -> uuid.UUID:
    async with client.session() as session:
        made = await bulk.start(session, verb, Filter(**only), who="ada", reason="an incident")
        await session.commit()
    return made.id


async def place(client: Client, number: int) -> uuid.UUID:
    """The job that a bulk comes to after so many."""
    found: uuid.UUID = await value(client, "select id from jobs where args->>0 = $1::text", str(number))
    return found


async def states(client: Client, actor: str) -> dict[str, int]:
    rows = await fetch(client, "select state, count(*) as jobs from jobs where actor = $1 group by state", actor)
    return {row["state"]: row["jobs"] for row in rows}


async def test_all_that_fit_are_changed_and_no_others(client: Client, engine: Engine) -> None:
    """Given 1,200 jobs of an actor and 100 of another, when those of the first are paused, resumed, cancelled, retried
    and deleted, then each bulk says how many it changed, each job's audit names the bulk, and the others are as they
    were."""
    await fill(client, "bulk-a", "queued", 1_200)
    await fill(client, "bulk-b", "queued", 100)
    for verb, state in ((Verb.PAUSE, "paused"), (Verb.RESUME, "queued"), (Verb.CANCEL, "cancelled")):
        bulk_id = await start(client, verb, actor="bulk-a")
        assert await jobs.wait(client, bulk_id, 60) == {"changed": 1_200, "left": {}}
        assert await states(client, "bulk-a") == {state: 1_200}
        noted = await value(
            client,
            "select count(*) from audit where action = $1 and who = 'ada' and reason = 'an incident'"
            " and details->>'by' = $2",
            f"job.{verb}", str(bulk_id),
        )  # fmt: skip
        assert noted == 1_200
    error = await value(client, "select distinct error->>'message' from jobs where actor = 'bulk-a'")
    assert error == "an incident (by ada)"
    assert await jobs.wait(client, await start(client, Verb.DELETE, actor="bulk-a", state="cancelled"), 60) == {
        "changed": 1_200,
        "left": {},
    }
    assert await states(client, "bulk-a") == {}
    assert await states(client, "bulk-b") == {"queued": 100}
    started = await fetch(client, "select action from audit where target = $1 order by id", '{"actor":"bulk-a"}')
    assert [row["action"] for row in started] == ["jobs.pause", "jobs.resume", "jobs.cancel"]


async def test_what_makes_no_sense_is_left_and_counted(client: Client, engine: Engine) -> None:
    await fill(client, "bulk-a", "failed", 30)
    await fill(client, "bulk-a", "succeeded", 20)
    await fill(client, "bulk-a", "queued", 10)
    result = await jobs.wait(client, await start(client, Verb.RETRY, actor="bulk-a"), 60)
    assert result == {"changed": 30, "left": {"succeeded": 20, "queued": 10}}


async def test_of_several_with_one_key_one_is_retried(client: Client, engine: Engine) -> None:
    await fill(client, "bulk-a", "failed", 20)
    await fetch(client, "update jobs set unique_key = 'k' where (args->>0)::int <= 3")
    result = await jobs.wait(client, await start(client, Verb.RETRY, state="failed"), 60)
    assert result == {"changed": 18, "left": {"failed": 2}}


async def test_it_leaves_itself_alone(client: Client, engine: Engine) -> None:
    result = await jobs.wait(client, await start(client, Verb.CANCEL, actor="change_jobs"), 60)
    assert result == {"changed": 0, "left": {}}


async def test_it_is_paused_and_cancelled_like_any_job(client: Client, engine: Engine) -> None:
    """Given a bulk over 30,000 jobs that waits in the middle for one that somebody holds, when it is paused there and
    resumed, then it goes on; when it is cancelled, then what it has done stays and the rest is as it was."""
    await fill(client, "bulk-a", "queued", 30_000)
    middle, late = [await place(client, number) for number in (15_000, 29_000)]
    async with locked(client, "jobs", [middle]):
        bulk_id = await start(client, Verb.CANCEL, actor="bulk-a")
        await statements_wait(client)
        async with client.session() as session:
            await control.pause(session, bulk_id, who="ada")
            await session.commit()
    await reaches(client, bulk_id, "paused")

    async def some() -> int:
        return (await states(client, "bulk-a")).get("cancelled", 0)

    half = await some()
    assert 0 < half < 30_000

    async def more() -> bool:
        return await some() > half

    async with locked(client, "jobs", [late]):
        async with client.session() as session:
            await control.resume(session, bulk_id, who="ada")
            await session.commit()
        await wait_for(more, what="more to be cancelled")
        async with client.session() as session:
            await control.cancel(session, bulk_id, who="ada")
            await session.commit()
        assert (await reaches(client, bulk_id, "cancelled", "succeeded")).state == "cancelled"
    found = await states(client, "bulk-a")
    assert found["cancelled"] + found["queued"] == 30_000
    assert await value(client, "select (data->'data'->>'changed')::int from job_checkpoints") == found["cancelled"]
    assert await effects(client) == []


async def test_it_is_counted_first(client: Client) -> None:
    await fill(client, "bulk-a", "failed", 30)
    async with client.session() as session:
        assert await bulk.preview(session, Filter(actor="bulk-a")) == Count(30, is_exact=True)


async def test_all_jobs_are_never_meant(client: Client) -> None:
    for only in (Filter(), Filter(tags=())):
        async with client.session() as session:
            with pytest.raises(BadRequest, match="Say which jobs are meant"):
                await bulk.start(session, Verb.CANCEL, only, who="ada")
