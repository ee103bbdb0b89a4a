"""`tidy_webhooks`: what nobody ended is ended, what is old goes."""

import pytest
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


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(
            "update webhook_deliveries set outcome = 'cancelled', ended_at = now() where job_id is not null",
            id="whoever ended the first one died before handing on",
        ),
        pytest.param("delete from jobs where queue = 'webhooks'", id="the job of the first one was deleted"),
        pytest.param(
            "update jobs set state = 'cancelled', outcome = 3, finished_at = now() - interval '3 days'"
            " where queue = 'webhooks'",
            id="the job was cancelled when nothing was tidied for days",
        ),
        pytest.param("update webhook_endpoints set ordered = false", id="the order was given up"),
    ],
)
async def test_an_ordered_endpoint_that_stands_still_goes_on(
    carriers: Carriers, client: Client, here: Receiver, mishap: str
) -> None:
    """Given an ordered endpoint with two events, the first of which can hand on to the second no more, when it is
    tidied, then the second arrives, and nothing is left open."""
    await add_endpoint(client, here.url("/"), ordered=True)
    async with client.session() as session:
        for number in range(2):
            await webhook.publish(session, "order.paid", {"number": number})
        await session.execute(text(mishap))
        await session.commit()
    await tidy(client)
    _, second = await ended(client, 2)
    assert second.outcome == "succeeded"


async def test_a_delivery_of_a_deleted_job_keeps_its_message_no_longer_than_others(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an old message whose delivery has lost its job, when it is tidied, then it goes with the others."""
    await add_endpoint(client, here.url("/"))
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {})
        await session.execute(text("delete from jobs where queue = 'webhooks'"))
        await session.execute(text("update webhook_messages set created_at = now() - interval '91 days'"))
        await session.commit()
    await tidy(client)
    assert await deliveries_of(client) == []


async def test_what_is_under_way_or_waits_for_its_turn_is_left_alone(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint with a delivery under way and one behind it, when it is tidied, then nothing ends or
    starts before its time."""
    await add_endpoint(client, here.url("/held"), ordered=True, timeout=60)
    for number in range(2):
        await publish(client, {"number": number})
    await here.arrived.wait()
    await tidy(client)
    assert [(one.outcome, one.job_id is not None) for one in await deliveries_of(client)] == [
        (None, True),
        (None, False),
    ]
    here.released.set()
    assert [one.outcome for one in await ended(client, 2)] == ["succeeded", "succeeded"]


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
