"""Unique keys with another scope than "finished", and debounced jobs."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from db import jobs, workers
from errors import BadRequest
from runtime.client import Client
from services.jobs import Enqueued, Options, enqueue_with
from tests.runtime.observing import fetch, row, value
from tests.runtime.some_actors import job_of
from tests.support.process import ROOT

echo = job_of("async", "echo")
STARTED = Options(unique_key="k", unique_until="started")
WINDOW = Options(unique_key="k", unique_until=timedelta(hours=1))
DEBOUNCED = Options(unique_key="k", debounce=timedelta(minutes=5))


async def ask(client: Client, options: Options, *args: Any) -> Enqueued:
    async with client.session() as session:
        enqueued = await enqueue_with(session, options, echo, *args)
        await session.commit()
    return enqueued


async def start(client: Client, enqueued: Enqueued) -> None:
    """As a worker does that has its message."""
    worker = enqueued.id
    await fetch(client, workers.REGISTER, worker, "h", 1, "p", ["q"], 1, 1, "0", "3", "2")
    assert await fetch(client, jobs.CLAIM, [enqueued.id], [0], worker)


async def end(client: Client) -> None:
    await fetch(client, "update jobs set state = 'succeeded', outcome = 1, finished_at = now() where state = 'running'")


async def test_until_started_the_first_job_is_returned(client: Client) -> None:
    first = await ask(client, STARTED)
    assert await ask(client, STARTED) == Enqueued(first.id, created=False)


async def test_once_it_has_started_its_key_makes_another(client: Client) -> None:
    """Given a job that has started, then its key makes another, and a failure of the first one changes nothing."""
    first = await ask(client, STARTED)
    await start(client, first)
    second = await ask(client, STARTED)
    assert second.created
    assert (await ask(client, STARTED)).id == second.id
    failure = [first.id], [1], ["Error"], ["no"], [""], [0.0], first.id
    assert await fetch(client, jobs.FAIL, *failure), "queued again beside the second"


async def test_until_finished_a_started_job_keeps_its_key(client: Client) -> None:
    first = await ask(client, Options(unique_key="k"))
    await start(client, first)
    assert await ask(client, Options(unique_key="k")) == Enqueued(first.id, created=False)


async def test_within_the_window_even_an_ended_job_is_returned(client: Client) -> None:
    first = await ask(client, WINDOW)
    await start(client, first)
    await end(client)
    assert await ask(client, WINDOW) == Enqueued(first.id, created=False)


async def test_after_the_window_there_is_another_though_the_first_still_waits(client: Client) -> None:
    first = await ask(client, WINDOW)
    await fetch(client, "update unique_windows set until = now() - interval '1 ms'")
    second = await ask(client, WINDOW)
    assert second.created
    assert second.id != first.id
    assert await ask(client, WINDOW) == Enqueued(second.id, created=False)


async def test_a_window_whose_job_was_rolled_back_is_open(client: Client) -> None:
    async with client.session() as session:
        await enqueue_with(session, WINDOW, echo)
        await session.rollback()
    assert (await ask(client, WINDOW)).created


async def test_a_closed_window_is_forgotten(client: Client) -> None:
    await ask(client, WINDOW)
    await fetch(client, jobs.CLOSE_WINDOWS, 100)
    assert await value(client, "select count(*) from unique_windows") == 1
    await fetch(client, "update unique_windows set until = now() - interval '1 ms'")
    await fetch(client, jobs.CLOSE_WINDOWS, 100)
    assert await value(client, "select count(*) from unique_windows") == 0


async def test_the_last_call_of_a_debounced_job_wins(client: Client) -> None:
    """Given three calls in quick succession, then there is one job, with the last arguments, due after the last."""
    first = await ask(client, DEBOUNCED, "first")
    await fetch(client, "update jobs set run_at = now() + interval '1 s'")  # almost five minutes have passed
    assert await ask(client, DEBOUNCED, "second") == Enqueued(first.id, created=False)
    assert await ask(client, DEBOUNCED, "third") == Enqueued(first.id, created=False)
    assert (await row(client, first.id)).args == ["third"]
    assert await value(client, "select run_at > now() + interval '4 min' from jobs") is True


async def test_a_call_after_its_message_has_left_makes_another(client: Client) -> None:
    """Given a debounced job on its way to a worker, then its arguments stand, and the next call is another job's."""
    first = await ask(client, DEBOUNCED, "first")
    await fetch(client, "update jobs set run_at = now(), dispatched_at = now()")
    second = await ask(client, DEBOUNCED, "second")
    assert second.created
    assert (await row(client, first.id)).args == ["first"]
    assert await ask(client, DEBOUNCED, "third") == Enqueued(second.id, created=False)


async def test_a_debounced_job_that_waits_for_a_limit_takes_the_latest_arguments(client: Client) -> None:
    first = await ask(client, DEBOUNCED, "first")
    await fetch(client, "update jobs set state = 'waiting', blocked_by = 'limit:x', run_at = 'infinity'")
    assert await ask(client, DEBOUNCED, "second") == Enqueued(first.id, created=False)
    assert (await row(client, first.id)).args == ["second"]
    assert await value(client, "select run_at = 'infinity' from jobs") is True


async def test_a_key_that_is_in_use_otherwise_is_not_debounced(client: Client) -> None:
    first = await ask(client, Options(unique_key="k"), "first")
    assert await ask(client, DEBOUNCED, "second") == Enqueued(first.id, created=False)
    assert (await row(client, first.id)).args == ["first"]


async def test_many_debounced_calls_at_once_make_one_job(client: Client) -> None:
    answers = await asyncio.gather(*(ask(client, DEBOUNCED, number) for number in range(40)))
    assert [answer.created for answer in answers].count(True) == 1
    assert await value(client, "select count(*) from jobs") == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"unique_until": "started"}, "unique_key"),
        ({"debounce": timedelta(seconds=1)}, "unique_key"),
        ({"unique_key": "k", "unique_until": "sometime"}, "sometime"),
        ({"unique_key": "k", "unique_until": timedelta(0)}, "unique_until"),
        ({"unique_key": "k", "debounce": timedelta(seconds=1), "delay": timedelta(seconds=1)}, "debounce"),
        ({"expires": timedelta(seconds=-1)}, "expires"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        Options(**options)


@pytest.mark.parametrize("scope", ["finished", pytest.param("window", marks=pytest.mark.long)])
async def test_ten_thousand_racing_enqueues_make_one_job(client: Client, scope: str) -> None:
    """Given four processes of five callers, each calling 500 times, then there is one job, and all were told which."""
    command = [sys.executable, "-m", "tests.services.racing", "2500", scope]
    racers = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) for _ in range(4)
    ]
    answers = [json.loads((await racer.communicate())[0]) for racer in racers]
    (job_id,) = await fetch(client, "select id from jobs")
    assert sum(created for created, _ in answers) == 1
    assert {told for _, ids in answers for told in ids} == {str(job_id[0])}
