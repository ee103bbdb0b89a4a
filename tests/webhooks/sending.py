"""What the tests of webhooks do and look at."""

import uuid
from functools import partial
from typing import Any

from db.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from runtime.client import Client
from services import webhook
from tests.support.waiting import wait_for

WHO = "tests"


async def add_endpoint(client: Client, url: str, **fields: Any) -> tuple[uuid.UUID, str]:
    """An endpoint, and its secret."""
    async with client.session() as session:
        endpoint, secret = await webhook.create_endpoint(session, WHO, webhook.EndpointFields(url=url, **fields))
        await session.commit()
    return endpoint.id, secret


async def publish(client: Client, payload: Any = None, event_type: str = "order.paid", **more: Any) -> uuid.UUID:
    async with client.session() as session:
        published = await webhook.publish(session, event_type, payload or {"order": 7}, **more)
        await session.commit()
    return published.message_id


async def endpoint_now(client: Client, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    async with client.session() as session:
        return await webhook.endpoint(session, endpoint_id)


async def deliveries_of(client: Client, **filters: Any) -> list[WebhookDelivery]:
    """Oldest first."""
    message_id = filters.pop("message_id", None)
    async with client.session() as session:
        found = await webhook.deliveries(session, webhook.Filter(**filters), message_id=message_id, limit=1000)
    return found[::-1]


async def attempts_of(client: Client, delivery: WebhookDelivery) -> list[WebhookAttempt]:
    async with client.session() as session:
        return await webhook.attempts(session, delivery.id)


async def _ended(client: Client, count: int, filters: dict[str, Any]) -> list[WebhookDelivery] | None:
    found = await deliveries_of(client, **filters)
    return found if len(found) == count and all(delivery.outcome for delivery in found) else None


async def ended(client: Client, count: int = 1, **filters: Any) -> list[WebhookDelivery]:
    """These deliveries, once there are so many and all have ended; oldest first."""
    done: list[WebhookDelivery] = await wait_for(
        partial(_ended, client, count, filters), what=f"the end of {count} deliveries"
    )
    return done
