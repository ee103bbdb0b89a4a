"""`tidy_webhooks`: what nobody ended is ended, what is old goes."""

from sqlalchemy import text

from actors.webhook import tidy_webhooks
from db.jobs import Outcome
from runtime.client import Client
from services import jobs, webhook
from tests.http.hostile import Receiver
from tests.support.waiting import wait_for
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import add_endpoint, deliveries_of, ended, publish


async def tidy(client: Client) -> None:
    async with client.session() as session:
        job = await jobs.enqueue(session, tidy_webhooks)
        await session.commit()

    async def is_done() -> bool:
        async with client.session() as session:
            return (await jobs.get(session, job.id)).outcome == Outcome.SUCCEEDED

    await wait_for(is_done, what="the end of tidying")


async def test_a_cancelled_job_ends_its_delivery_and_the_next_one_goes(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint whose first delivery's job was cancelled, when it is tidied, then the second goes."""
    await add_endpoint(client, here.url("/"), ordered=True)
    async with client.session() as session:
        for number in range(2):
            await webhook.publish(session, "order.paid", {"number": number})
        await session.execute(
            text(
                "update jobs set state = 'cancelled', outcome = 3, finished_at = now()"
                " where id in (select job_id from webhook_deliveries)"
            )
        )
        await session.commit()
    await tidy(client)
    first, second = await ended(client, 2)
    assert (first.outcome, second.outcome) == ("cancelled", "succeeded")
    assert len(here.received) == 1


async def test_messages_past_their_retention_go_with_all_that_is_theirs(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an old message and a new one, when it is tidied, then the old one is gone."""
    await add_endpoint(client, here.url("/"))
    old = await publish(client, {"number": 1})
    await ended(client, 1)
    new = await publish(client, {"number": 2})
    await ended(client, 2)
    async with client.session() as session:
        await session.execute(
            text("update webhook_messages set created_at = now() - interval '91 days' where id = :id"), {"id": old}
        )
        await session.commit()
    await tidy(client)
    assert {delivery.message_id for delivery in await deliveries_of(client)} == {new}
    async with client.session() as session:
        left = (await session.execute(text("select count(*) from webhook_attempts"))).scalar()
    assert left == 1
