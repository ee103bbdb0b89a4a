"""Unique keys: while a job with a key has not ended, another is not made."""

import asyncio

import pytest

from errors import BadRequest
from runtime.client import Client
from services.jobs import Enqueued, Options, call, enqueue_many, enqueue_with
from tests.runtime.engine import Engine
from tests.runtime.observing import ended, go, sent, value
from tests.runtime.some_actors import hold_async, job_of
from tests.support.waiting import wait_for

echo = job_of("async", "echo")
ONCE = Options(unique_key="once")


async def ask(client: Client, options: Options = ONCE) -> Enqueued:
    async with client.session() as session:
        enqueued = await enqueue_with(session, options, echo)
        await session.commit()
    return enqueued


async def test_the_second_call_returns_the_first_job(client: Client) -> None:
    first, second = await ask(client), await ask(client)
    assert first.created
    assert second == Enqueued(first.id, created=False)
    await client.outbox.drain()
    assert len(await sent(client, "stage-async")) == 1


async def test_other_keys_are_other_jobs(client: Client) -> None:
    first, second = await ask(client), await ask(client, Options(unique_key="twice"))
    assert first.created
    assert second.created


async def test_within_one_transaction_too(client: Client) -> None:
    async with client.session() as session:
        first = await enqueue_with(session, ONCE, echo)
        second = await enqueue_with(session, ONCE, echo)
        await session.commit()
    assert second == Enqueued(first.id, created=False)


async def test_many_callers_at_once_make_one_job(client: Client) -> None:
    """Given forty concurrent callers, then one of them made the job and the others were told which it is."""
    answers = await asyncio.gather(*(ask(client) for _ in range(40)))
    assert [answer.created for answer in answers].count(True) == 1
    assert len({answer.id for answer in answers}) == 1
    assert await value(client, "select count(*) from jobs") == 1


async def test_a_key_whose_job_was_rolled_back_is_free(client: Client) -> None:
    """Given a caller that waits for another's transaction, when that is rolled back, then the job is its own."""
    async with client.session() as session:
        await enqueue_with(session, ONCE, echo)
        other = asyncio.create_task(ask(client))

        async def waits() -> bool:
            return bool(await value(client, "select count(*) from pg_locks where not granted"))

        await wait_for(waits, what="the second caller to wait for the first")
        await session.rollback()
    assert (await other).created


async def test_a_key_is_free_again_once_its_job_has_ended(client: Client, engine: Engine) -> None:
    async with client.session() as session:
        first = await enqueue_with(session, ONCE, hold_async, "unique")
        await session.commit()
    assert await ask(client) == Enqueued(first.id, created=False)
    await go(client, "unique")
    await ended(client, first.id)
    assert (await ask(client)).created


@pytest.mark.parametrize("number", [1, 2])
async def test_a_key_in_bulk_is_refused(client: Client, number: int) -> None:
    """The answer of `enqueue_many` has no place for a job that was there before."""
    async with client.session() as session:
        with pytest.raises(BadRequest, match="one by one"):
            await enqueue_many(session, [call(echo)] * number, ONCE)
