"""What can be asked and done about queues and actors."""

from datetime import timedelta

import pytest

from errors import BadArguments, Conflict, NotFound, UnknownActor
from runtime.client import Client
from services import actors, queues
from services.jobs import Options
from services.pauses import Span
from tests.runtime.observing import enqueue_with, fetch, value
from tests.runtime.some_actors import job_of

echo = job_of("async", "echo")
QUEUE = "stage-async"


async def test_a_queue_says_what_is_in_it(client: Client) -> None:
    """Given jobs that are due, later, held and running, then the queue counts each, and how old the oldest is."""
    for options in (Options(), Options(), Options(delay=timedelta(hours=1)), Options(), Options()):
        await enqueue_with(client, options, echo)
    ids = [row["id"] for row in await fetch(client, "select id from jobs where run_at <= now() order by id")]
    await fetch(client, "update jobs set run_at = now() - interval '90 s' where id = $1", ids[0])
    await fetch(client, "update jobs set state = 'waiting', run_at = 'infinity' where id = $1", ids[1])
    await fetch(client, "update jobs set state = 'running', worker = id where id = $1", ids[2])
    async with client.session() as session:
        queue = await queues.get(session, QUEUE)
    assert (queue.due, queue.later, queue.held, queue.running) == (2, 1, 1, 1)
    assert queue.oldest is not None
    assert 90 <= queue.oldest < 150
    assert not queue.is_capped
    assert not queue.is_paused


async def test_a_declared_queue_without_jobs_is_listed(client: Client) -> None:
    async with client.session() as session:
        queue = await queues.get(session, QUEUE)
    assert (queue.due, queue.oldest) == (0, None)


async def test_a_pause_says_who_and_why_and_is_in_the_audit(client: Client) -> None:
    async with client.session() as session:
        await queues.pause(session, QUEUE, who="ada", reason="a deploy")
        await actors.pause(session, echo.actor_name, who="bob", reason="a bug")
        await session.commit()
        queue = await queues.get(session, QUEUE)
        (actor,) = [a for a in await actors.listed(session) if a.name == echo.actor_name]
        assert (queue.is_paused, queue.paused_by, queue.reason) == (True, "ada", "a deploy")
        assert (actor.is_paused, actor.paused_by, actor.reason) == (True, "bob", "a bug")
        await queues.resume(session, QUEUE, who="ada", reason="done")
        await actors.resume(session, echo.actor_name, who="bob")
        await session.commit()
        assert not (await queues.get(session, QUEUE)).is_paused
    rows = await fetch(client, "select who, action, target, reason from audit order by id")
    assert [tuple(row) for row in rows] == [
        ("ada", "queue.pause", QUEUE, "a deploy"),
        ("bob", "actor.pause", echo.actor_name, "a bug"),
        ("ada", "queue.resume", QUEUE, "done"),
        ("bob", "actor.resume", echo.actor_name, None),
    ]


async def test_what_makes_no_sense_is_refused(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(NotFound, match="no queue 'nowhere'"):
            await queues.pause(session, "nowhere", who="ada", reason="x")
        with pytest.raises(UnknownActor, match="nobody"):
            await actors.pause(session, "nobody", who="ada", reason="x")
        with pytest.raises(BadArguments, match="Say why"):
            await queues.pause(session, QUEUE, who="ada", reason=" ")
        with pytest.raises(Conflict, match="not paused"):
            await queues.resume(session, QUEUE, who="ada")
        await queues.pause(session, QUEUE, who="ada", reason="a deploy")
        with pytest.raises(Conflict, match=r"by ada since .*: a deploy"):
            await queues.pause(session, QUEUE, who="bob", reason="another")


async def test_a_pause_has_an_end_or_none(client: Client) -> None:
    """Given pauses for some time and until a moment, then each says when it ends, by the database's clock; what is
    over already, makes no sense or is said twice is refused, and pauses nothing."""
    now = await value(client, "select now()")
    async with client.session() as session:
        for span in (Span(until=now - timedelta(seconds=1)), Span(until=now.replace(year=1999))):
            with pytest.raises(BadArguments, match="over already"):
                await queues.pause(session, QUEUE, who="ada", reason="x", span=span)
        for values in ({"lasts": timedelta(0)}, {"lasts": timedelta(days=400)}, {"until": now, "lasts": timedelta(1)}):
            with pytest.raises(BadArguments):
                Span(**values)
        assert not (await queues.get(session, QUEUE)).is_paused
        end = await queues.pause(session, QUEUE, who="ada", reason="x", span=Span(lasts=timedelta(minutes=30)))
        assert end is not None
        assert timedelta(0) <= end - now - timedelta(minutes=30) < timedelta(minutes=5)
        assert (await queues.get(session, QUEUE)).paused_until == end
        tomorrow = now + timedelta(days=1)
        name = echo.actor_name
        assert await actors.pause(session, name, who="ada", reason="x", span=Span(until=tomorrow)) == tomorrow
        assert (await actors.get(session, name)).paused_until == tomorrow
        await session.commit()
    rows = await fetch(client, "select (details->>'until')::timestamptz as until from audit order by id")
    assert [row["until"] for row in rows] == [end, tomorrow]


async def test_a_queue_whose_actor_is_gone_can_be_resumed(client: Client) -> None:
    await fetch(client, "insert into pauses (kind, name, reason, paused_by) values ('queue', 'old', 'x', 'y')")
    async with client.session() as session:
        assert (await queues.get(session, "old")).is_paused
        await queues.resume(session, "old", who="ada")
