"""What callers ask of webhooks: what is refused, what is written, what stands in the audit."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from db import webhooks
from errors import BadArguments, Conflict, NotFound, TooLarge
from runtime.client import Client
from runtime.ids import uuid7
from services import webhook
from tests.webhooks.sending import WHO, add_endpoint, deliveries_of, endpoint_now, publish

URL = "https://example.com/hooks"


async def rows(client: Client, table: str) -> int:
    async with client.session() as session:
        return int((await session.execute(text(f"select count(*) from {table}"))).scalar_one())


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"url": "https://user:pw@example.com/"}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://0x0a000001/"}, "url"),
        ({"url": "https://[fd00::1]/"}, "url"),
        ({"url": URL, "secret": "whsec_short"}, "secret"),
        ({"url": URL, "headers": {"X-A": "b\r\nX-B: c"}}, "headers.X-A"),
        ({"url": URL, "headers": {"webhook-id": "mine"}}, "headers.webhook-id"),
        ({"url": URL, "payload": {"when": datetime.now(UTC)}}, "payload.when"),
        ({"url": URL, "payload": "a\0b"}, "payload"),
        ({"url": URL, "idempotency_key": ""}, "idempotency_key"),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_the_call(client: Client, arguments: dict[str, Any], path: str) -> None:
    """Given something wrong, when it is to be sent, then the error names it, and nothing is written."""
    async with client.session() as session:
        with pytest.raises(BadArguments) as raised:
            await webhook.send(session, **({"payload": {}} | arguments))
        await session.commit()
    assert raised.value.path == path
    assert await rows(client, "webhook_messages") == 0


async def test_an_unknown_event_and_a_payload_too_large_are_refused(client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(BadArguments, match="WEBHOOK_EVENT_TYPES"):
            await webhook.publish(session, "order.payed", {})
        with pytest.raises(TooLarge):
            await webhook.publish(session, "order.paid", "x" * 256 * 1024)
        with pytest.raises(TooLarge):
            await webhook.send(session, URL, "x" * 256 * 1024)
        await session.commit()
    assert await rows(client, "webhook_messages") == 0


async def test_an_event_is_published_with_its_cause_or_not_at_all(client: Client) -> None:
    """Given a transaction that is rolled back, then there is no message, no delivery and no job."""
    await add_endpoint(client, URL)
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {"order": 1})
        await session.rollback()
    assert [await rows(client, table) for table in ("webhook_messages", "webhook_deliveries", "jobs")] == [0, 0, 0]


async def test_one_key_is_one_message_whoever_asks(client: Client) -> None:
    """Given many callers with one idempotency key, then one message is there, and another's use of it is refused."""
    await add_endpoint(client, URL)

    async def call() -> webhook.Published:
        async with client.session() as session:
            published = await webhook.publish(session, "order.paid", {"order": 7}, idempotency_key="order-7")
            await session.commit()
            return published

    published = await asyncio.gather(*(call() for _ in range(20)))
    assert len({one.message_id for one in published}) == 1
    assert [one.created for one in published].count(True) == 1
    assert [await rows(client, table) for table in ("webhook_messages", "webhook_deliveries", "jobs")] == [1, 1, 1]
    for event_type, payload in (("order.paid", {"order": 8}), ("order.shipped", {"order": 7})):
        async with client.session() as session:
            with pytest.raises(Conflict):
                await webhook.publish(session, event_type, payload, idempotency_key="order-7")


async def test_one_key_is_one_address(client: Client) -> None:
    """Given a payload for one address, then the same key with another address is refused, and with the same it is
    that message."""
    async with client.session() as session:
        first = await webhook.send(session, URL, {"a": 1}, idempotency_key="k")
        again = await webhook.send(session, URL, {"a": 1}, idempotency_key="k")
        with pytest.raises(Conflict):
            await webhook.send(session, "https://example.com/other", {"a": 1}, idempotency_key="k")
    assert (again.message_id, again.created) == (first.message_id, False)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "https://127.0.0.1.example.com:22x/"}, "url"),
        ({"event_types": ["order.payed"]}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"timeout": 61}, "timeout"),
        ({"rate": 0}, "rate"),
        ({"schedule": []}, "schedule"),
        ({"schedule": [1.0] * 20}, "schedule"),
        ({"schedule": [5, 0.5]}, "schedule"),
        ({"schedule": [86_401]}, "schedule"),
        ({"schedule": [float("nan")]}, "schedule"),
        ({"owner_email": "nobody"}, "owner_email"),
        ({"headers": {"Host": "elsewhere"}}, "headers.Host"),
        ({"headers": {f"X-{number}": "" for number in range(21)}}, "headers"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(BadArguments) as raised:
        webhook.EndpointFields(**({"url": URL} | fields))
    assert raised.value.path == path


async def test_secrets_and_headers_are_sealed_where_they_are_kept(client: Client) -> None:
    """Given an endpoint and a message for one address, then no table has their secrets in clear."""
    _, secret = await add_endpoint(client, URL, headers={"Authorization": "Bearer t0ken"})
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with client.session() as session:
        await webhook.send(session, URL, {}, secret=own, headers={"X-Key": "k3y-k3y"})
        await session.commit()
    async with client.session() as session:
        for table in ("webhook_endpoints", "webhook_messages", "webhook_deliveries", "jobs", "audit"):
            found = str((await session.execute(text(f"select json_agg(t)::text from {table} t"))).scalar())
            for word in (secret[6:], own[6:], "t0ken", "k3y-k3y"):
                assert word not in found, (table, word)


async def test_an_endpoints_life_stands_in_the_audit(client: Client) -> None:
    """Given an endpoint that is made, changed, disabled, enabled, rotated and deleted, then each is noted."""
    endpoint, old = await add_endpoint(client, URL, description="first")
    async with client.session() as session:
        fields = webhook.EndpointFields(url=URL, description="second", rate=5)
        await webhook.update_endpoint(session, WHO, endpoint, fields)
        await webhook.disable_endpoint(session, WHO, endpoint, "not now")
        with pytest.raises(Conflict):
            await webhook.disable_endpoint(session, WHO, endpoint, "again")
        await webhook.enable_endpoint(session, WHO, endpoint)
        with pytest.raises(Conflict):
            await webhook.enable_endpoint(session, WHO, endpoint)
        assert await webhook.rotate_secret(session, WHO, endpoint) != old
        await session.commit()
    found = await endpoint_now(client, endpoint)
    assert (found.description, found.rate, len(found.secrets)) == ("second", 5, 2)
    async with client.session() as session:
        await webhook.delete_endpoint(session, WHO, endpoint)
        await session.commit()
    async with client.session() as session:
        with pytest.raises(NotFound):
            await webhook.endpoint(session, endpoint)
        actions = (await session.execute(text("select action from audit where who = 'tests' order by id"))).scalars()
        assert list(actions) == [
            "webhook.endpoint.create", "webhook.endpoint.update", "webhook.endpoint.disable",
            "webhook.endpoint.enable", "webhook.endpoint.rotate", "webhook.endpoint.delete",
        ]  # fmt: skip


@pytest.mark.parametrize("by", ["another rate", "enabling"])
async def test_the_places_of_a_rate_that_is_no_more_are_given_up(client: Client, by: str) -> None:
    """Given an endpoint whose next place is hours away, when its rate is changed, or it is disabled and enabled, then
    the next delivery does not wait for it; what changes nothing of the rate leaves the place as it is."""
    endpoint, _ = await add_endpoint(client, URL, rate=0.001)
    await publish(client)
    [delivery] = await deliveries_of(client)
    async with client.database.connection() as connection:
        for _ in range(3):
            await connection.fetchval(webhooks.TAKE_SLOT, delivery.id, endpoint)
    async with client.session() as session:
        fields = webhook.EndpointFields(url=URL, rate=0.001, description="other words")
        await webhook.update_endpoint(session, WHO, endpoint, fields)
        await session.commit()
    assert (await endpoint_now(client, endpoint)).next_slot_at is not None
    async with client.session() as session:
        if by == "enabling":
            await webhook.disable_endpoint(session, WHO, endpoint, "not now")
            await webhook.enable_endpoint(session, WHO, endpoint)
        else:
            await webhook.update_endpoint(session, WHO, endpoint, webhook.EndpointFields(url=URL, rate=100))
        await session.commit()
    assert (await endpoint_now(client, endpoint)).next_slot_at is None


async def test_what_a_disabled_endpoint_misses_is_kept(client: Client) -> None:
    endpoint, _ = await add_endpoint(client, URL)
    async with client.session() as session:
        await webhook.disable_endpoint(session, WHO, endpoint, "not now")
        await session.commit()
    await publish(client)
    [delivery] = await deliveries_of(client, endpoint_id=endpoint)
    assert (delivery.outcome, delivery.job_id) == ("skipped", None)


async def test_what_is_still_being_tried_is_not_replayed(client: Client) -> None:
    await add_endpoint(client, URL)
    await publish(client)
    [delivery] = await deliveries_of(client)
    async with client.session() as session:
        with pytest.raises(Conflict):
            await webhook.replay(session, WHO, delivery.id)
        with pytest.raises(NotFound):
            await webhook.replay(session, WHO, uuid7())


async def test_an_endpoint_that_is_ordered_no_more_lets_all_go(client: Client) -> None:
    """Given an ordered endpoint with three events, one of them under way, when it is not ordered any more, then the
    others get their jobs too."""
    endpoint, _ = await add_endpoint(client, URL, ordered=True)
    for _ in range(3):
        await publish(client)
    assert [one.job_id is not None for one in await deliveries_of(client)] == [True, False, False]
    async with client.session() as session:
        await webhook.update_endpoint(session, WHO, endpoint, webhook.EndpointFields(url=URL))
        await session.commit()
    assert all(one.job_id for one in await deliveries_of(client))
