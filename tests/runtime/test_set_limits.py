"""Limits that people set otherwise than the code declares them, while workers go by them."""

import pytest

from db import limits as sql
from errors import BadArguments, Conflict, NotFound
from runtime.client import Client
from services import limits
from tests.conftest import StartProcess
from tests.runtime.limited_actors import broker
from tests.runtime.observing import ended, enqueue, go, noted, reaches, value
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.limited_actors"
KEY = "limits_single"  # concurrency=1


async def set_limit(client: Client, concurrency: int) -> limits.LimitInUse:
    async with client.session() as session:
        found = await limits.set_(session, KEY, who="ana", reason="the provider allows it", concurrency=concurrency)
        await session.commit()
    return found


async def reset(client: Client) -> limits.LimitInUse:
    async with client.session() as session:
        found = await limits.reset(session, KEY, who="ana")
        await session.commit()
    return found


async def test_a_limit_that_is_raised_lets_those_go_that_wait_and_is_kept_by_every_claim(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given an actor of which one runs at once, when two are allowed, then the second starts that waited; a third
    waits, and its claim, which says what the code declares, changes nothing. When it is reset, then it goes by the code
    again: one has ended and the third waits still."""
    await scheduler()
    await worker(ACTORS)
    first = await enqueue(client, broker.actors[KEY], "first")
    await noted(client, "first starts")
    second = await enqueue(client, broker.actors[KEY], "second")
    await reaches(client, second, "waiting")

    found = await set_limit(client, 2)
    assert (found.concurrency, found.declared_concurrency, found.set_by) == (2, 1, "ana")
    await noted(client, "second starts")
    third = await enqueue(client, broker.actors[KEY], "third")
    await reaches(client, third, "waiting")
    assert await value(client, "select concurrency from limits where key = $1", KEY) == 2

    found = await reset(client)
    assert (found.concurrency, found.declared_concurrency, found.set_by) == (1, None, None)
    await go(client, "first")
    await ended(client, first)
    await wait_for(lambda: _is_looked_at(client), what="the limiter's look")
    assert await value(client, "select state from jobs where id = $1", third) == "waiting"
    await go(client, "all")
    for job in (second, third):
        assert (await ended(client, job)).state == "succeeded"


async def _is_looked_at(client: Client) -> bool:
    """Whether whoever looks after the key has seen the end of a run, and will look again later."""
    return bool(await value(client, "select due_at > now() from limits where key = $1", KEY))


async def test_what_makes_no_sense_is_refused(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(NotFound):
            await limits.set_(session, "no such key", who="ana", reason="why", concurrency=2)
        connection = await session.connection()
        await connection.exec_driver_sql("insert into limits (key, concurrency) values ('k', 1)")
        wrong: list[tuple[int | None, str | None, str, str]] = [
            (None, None, "why", "concurrency"), (0, None, "why", "concurrency"), (100_001, None, "why", "concurrency"),
            (None, "often", "why", "rate_limit"), (None, "10/m", "why", "rate_limit"), (2, None, " ", "reason"),
        ]  # fmt: skip
        for concurrency, rate, reason, path in wrong:
            with pytest.raises(BadArguments) as refused:
                await limits.set_(session, "k", who="ana", reason=reason, concurrency=concurrency, rate=rate)
            assert refused.value.path == path, (concurrency, rate, reason)
        with pytest.raises(Conflict):
            await limits.reset(session, "k", who="ana")


async def test_what_is_set_is_not_forgotten(client: Client) -> None:
    """Given a key that nobody has used for days, then it is kept as long as it is set, with what the code has."""
    async with client.session() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "insert into limits (key, rate, per, used_at) values ('k', 10, 60, now() - interval '9 d')"
        )
        await limits.set_(session, "k", who="ana", reason="one", rate="5/s")
        found = await limits.set_(session, "k", who="bea", reason="two", rate="2/s")
        assert (found.rate_limit, found.declared, found.set_by) == ("2/s", "10/m started", "bea")
        await connection.exec_driver_sql(sql.FORGET, ("", 100))
        assert (await limits.reset(session, "k", who="ana")).rate_limit == "10/m"
        await connection.exec_driver_sql(sql.FORGET, ("", 100))
        with pytest.raises(NotFound):
            await limits.get(session, "k")
