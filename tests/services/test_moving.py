"""Jobs are moved to another queue while they wait, also those whose message is in Redis: none is lost, or run twice."""

import asyncio
import random
import uuid

import pytest

from db.search import Filter
from errors import BadArguments
from runtime import verbs
from runtime.client import Client
from services import bulk, control, jobs
from services.control import Place, Verb
from services.jobs import call
from tests.conftest import StartProcess
from tests.runtime.engine import Engine
from tests.runtime.observing import all_ended, effects, ended, enqueue, enqueue_all, fetch, nothing_left, sent, value
from tests.runtime.some_actors import act_async, job_of

MODULE = "tests.runtime.some_actors"


async def move(client: Client, job_id: uuid.UUID, queue: str | None, priority: int | None = None) -> None:
    async with client.session() as session:
        await control.move(session, job_id, Place(queue, priority), who="ada", reason="it is slow")
        await session.commit()


async def test_what_is_in_redis_is_left_to_the_workers_of_the_new_queue(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a job whose message lies in Redis, when it is moved, then a worker of the old queue drops that message, and
    one of the new queue runs the job, once."""
    job_id = await enqueue(client, job_of("async", "act"), "moved")
    await sent(client, "stage-async")
    await move(client, job_id, "stage-sync")
    await scheduler()
    (message,) = await sent(client, "stage-sync")
    assert (message.message_id, message.queue_name) == (str(job_id), "stage-sync")
    await worker(MODULE, "--queues", "stage-async")
    await nothing_left(client, "stage-async")
    assert await effects(client) == []
    await worker(MODULE, "--queues", "stage-sync")
    assert (await ended(client, job_id)).state == "succeeded"
    assert await effects(client) == ["moved"]
    noted = await fetch(client, "select who, action, reason, details->'before'->>'queue' from audit")
    assert [tuple(row) for row in noted] == [("ada", "job.move", "it is slow", "stage-async")]


async def test_jobs_that_are_moved_while_they_are_started_run_once(client: Client, engine: Engine) -> None:
    """Given 400 jobs that a worker takes from two queues, when they are moved to and fro meanwhile, a few at a time,
    then each is run, and its effect is there once."""
    ids = await enqueue_all(client, [call(act_async, str(n)) for n in range(400)])
    chance = random.Random(7)

    async def shuffle() -> None:
        for _ in range(40):
            async with client.session() as session:
                queue = chance.choice(["stage-async", "stage-sync"])
                only = Filter(among_actors=("act_async",), state="queued")
                await bulk.start(session, Verb.MOVE, only, who="ada", to=Place(queue, chance.randint(-3, 3)))
                await session.commit()
            for job_id in chance.sample(ids, 10):
                async with client.session() as session:
                    to = Place(chance.choice(["stage-async", "stage-sync"]))
                    await verbs.do(session, Verb.MOVE, [job_id], who="ada", to=to)
                    await session.commit()

    await asyncio.gather(shuffle(), shuffle())
    await all_ended(client, 480)
    assert sorted(map(int, await effects(client))) == list(range(400))
    assert await value(client, "select count(*) from jobs where state <> 'succeeded'") == 0


async def test_an_urgent_one_is_brought_to_the_front(
    client: Client, stage: None, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given jobs waiting in Redis, when the last of them gets a more urgent priority, then it is run first."""
    ids = await enqueue_all(client, [call(act_async, str(n)) for n in range(20)])
    await sent(client, "stage-async", 20)
    await move(client, ids[-1], None, -10)
    await scheduler()
    await sent(client, "stage-async", 21)
    await worker(MODULE, ASYNC_CONCURRENCY="1")
    await all_ended(client, 20)
    assert await value(client, "select id from jobs order by started_at, priority limit 1") == ids[-1]


@pytest.mark.parametrize(
    ("to", "says"),
    [
        (Place(), "Say where to"), (Place("nowhere"), "No worker listens on the queue 'nowhere'"),
        (Place(None, 40_000), "not within"),
    ],
)  # fmt: skip
async def test_there_is_no_such_place(client: Client, to: Place, says: str) -> None:
    """Then it is refused, for one and for many, and nothing is changed."""
    job_id = await enqueue(client, act_async, "stays")
    async with client.session() as session:
        with pytest.raises(BadArguments, match=says):
            await control.move(session, job_id, to, who="ada")
        with pytest.raises(BadArguments, match=says):
            await bulk.start(session, Verb.MOVE, Filter(state="queued"), who="ada", to=to)
        job = await jobs.get(session, job_id)
    assert (job.queue, job.priority, job.attempt) == ("stage-async", 0, 0)
