"""Ordered endpoints while several publish and deliveries end at the same moment: one at a time, none forgotten."""

import asyncio
import json

from sqlalchemy.ext.asyncio import AsyncSession

from actors.webhook import routing
from db import webhooks
from runtime.client import Client
from services import webhook
from tests.http.hostile import Receiver
from tests.support.waiting import wait_for
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import WHO, add_endpoint, deliveries_of, ended, publish

URL = "https://example.com/hooks"


async def somebody_waits(client: Client) -> None:
    """Until a session waits for a row that another one holds."""

    async def look() -> bool:
        async with client.database.connection() as connection:
            question = "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
            return bool(await connection.fetchval(question))

    await wait_for(look, what="a session to wait for a lock")


async def end_first(client: Client, session: AsyncSession) -> None:
    """In the session the first delivery ends, and its endpoint goes on with the next."""
    first = (await deliveries_of(client))[0]
    await routing.fetch(session, webhooks.END, first.id, 1, "skipped")
    assert first.endpoint_id is not None
    await routing.hand_on(session, first.endpoint_id)


async def have_jobs(client: Client) -> list[bool]:
    return [delivery.job_id is not None for delivery in await deliveries_of(client)]


async def test_of_two_who_publish_at_once_one_starts(client: Client) -> None:
    """Given somebody who has published to an idle ordered endpoint and not committed, when another publishes too, then
    one of both deliveries starts."""
    await add_endpoint(client, URL, ordered=True)
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {"number": 0})
        other = asyncio.create_task(publish(client, {"number": 1}))
        await somebody_waits(client)
        await session.commit()
    await other
    assert await have_jobs(client) == [True, False]


async def test_what_is_published_while_the_one_before_ends_is_handed_on(client: Client) -> None:
    """Given somebody who publishes behind a delivery and has not committed, when that one ends, then the end waits, and
    hands on to what was published."""
    await add_endpoint(client, URL, ordered=True)
    await publish(client, {"number": 0})

    async def end() -> None:
        async with client.session() as session:
            await end_first(client, session)
            await session.commit()

    async with client.session() as session:
        await webhook.publish(session, "order.paid", {"number": 1})
        ending = asyncio.create_task(end())
        await somebody_waits(client)
        await session.commit()
    await ending
    assert await have_jobs(client) == [True, True]


async def test_who_publishes_while_the_last_one_ends_starts_it(client: Client) -> None:
    """Given a delivery that ends with nothing behind it, not committed, when somebody publishes, then it starts."""
    await add_endpoint(client, URL, ordered=True)
    await publish(client, {"number": 0})
    async with client.session() as session:
        await end_first(client, session)
        other = asyncio.create_task(publish(client, {"number": 1}))
        await somebody_waits(client)
        await session.commit()
    await other
    assert await have_jobs(client) == [True, True]


async def test_who_waits_while_the_order_is_given_up_starts_at_once(client: Client) -> None:
    """Given an ordered endpoint with a delivery under way that is made an ordinary one, not committed, when somebody
    publishes meanwhile, then that does not wait for its turn: there are no turns any more."""
    endpoint, _ = await add_endpoint(client, URL, ordered=True)
    await publish(client, {"number": 0})
    async with client.session() as session:
        await webhook.update_endpoint(session, WHO, endpoint, webhook.EndpointFields(url=URL))
        other = asyncio.create_task(publish(client, {"number": 1}))
        await somebody_waits(client)
        await session.commit()
    await other
    assert await have_jobs(client) == [True, True]


async def test_many_publish_at_once_and_all_arrive_one_at_a_time(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint, when many publish to it at once, each three in a row, then all arrive, no two at the
    same time, and everybody's own in their order."""
    await add_endpoint(client, here.url("/"), ordered=True)

    async def publish_three(who: int) -> None:
        for number in range(3):
            await publish(client, {"who": who, "number": number})

    await asyncio.gather(*(publish_three(who) for who in range(8)))
    await ended(client, 24)
    arrived = [json.loads(request.body)["data"] for request in here.received]
    assert len(arrived) == 24
    for who in range(8):
        assert [data["number"] for data in arrived if data["who"] == who] == [0, 1, 2]
    async with client.database.connection() as connection:
        overlapping = await connection.fetchval(
            "select count(*) from webhook_attempts a join webhook_attempts b on a.delivery_id < b.delivery_id"
            " where a.started_at < b.ended_at and b.started_at < a.ended_at"
        )
    assert overlapping == 0
