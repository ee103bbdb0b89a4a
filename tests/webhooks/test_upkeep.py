"""`tidy_webhooks`: what nobody ended is ended, what is old goes."""

from functools import partial

import pytest
from sqlalchemy import text

from actors.webhook import tidy_webhooks
from db.jobs import Outcome
from errors import NotFound
from runtime.client import Client
from services import jobs, webhook
from tests.conftest import StartProcess
from tests.http.hostile import Receiver
from tests.support.waiting import wait_for
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import WHO, add_endpoint, deliveries_of, ended, publish


async def tidy(client: Client) -> dict[str, int]:
    """Returns how many of each."""
    async with client.session() as session:
        job = await jobs.enqueue(session, tidy_webhooks)
        await session.commit()

    async def result() -> dict[str, int] | None:
        async with client.session() as session:
            found = await jobs.get(session, job.id)
        return found.result if found.outcome == Outcome.SUCCEEDED else None

    done: dict[str, int] = await wait_for(result, what="the end of tidying")
    return done


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


async def test_messages_that_did_not_get_through_are_kept_longer(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given messages of 100 and of 200 days ago, one of each delivered, exhausted, skipped and cancelled, when it is
    tidied, then those exhausted or skipped 100 days ago are there."""
    await add_endpoint(client, here.url("/"))
    outcomes = ("succeeded", "exhausted", "skipped", "cancelled")
    made = {}
    for outcome in outcomes:
        for days in (100, 200):
            made[outcome, days] = await publish(client, {"outcome": outcome, "days": days})
    await ended(client, 8)
    async with client.session() as session:
        for (outcome, days), message in made.items():
            values = {"id": message, "outcome": outcome, "days": days}
            await session.execute(
                text("update webhook_messages set created_at = now() - make_interval(days => :days) where id = :id"),
                values,
            )
            await session.execute(
                text("update webhook_deliveries set outcome = :outcome where message_id = :id"), values
            )
        await session.commit()
    assert (await tidy(client))["deleted"] == 6
    left = {delivery.message_id for delivery in await deliveries_of(client)}
    assert left == {made["exhausted", 100], made["skipped", 100]}


async def test_an_endpoint_with_thousands_of_deliveries_is_gone_at_once_and_they_go_in_pieces(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint with 3,500 deliveries, 500 of which have not ended, when it is deleted, then nobody sees it any
    more, though all its deliveries are there; they go in pieces, the jobs of those that had not ended are cancelled,
    and at last the endpoint goes too. Another's stay."""
    endpoint, _ = await add_endpoint(client, here.url("/"), event_types=["order.shipped"])
    other, _ = await add_endpoint(client, here.url("/"))
    message = await publish(client)
    await ended(client, 1)
    async with client.session() as session:
        await session.execute(
            text(
                """
                with ended as (
                    insert into webhook_deliveries (id, message_id, endpoint_id, outcome, ended_at)
                    select gen_random_uuid(), :message, :endpoint, 'succeeded', now() from generate_series(1, 3000)
                ), job as (
                    insert into jobs (id, actor, queue, args, kwargs, run_at)
                    select gen_random_uuid(), 'deliver_webhook', 'webhooks', '[]', '{}', now() + interval '1 day'
                    from generate_series(1, 500)
                    returning id
                )
                insert into webhook_deliveries (id, message_id, endpoint_id, job_id)
                select gen_random_uuid(), :message, :endpoint, id from job
                """
            ),
            {"message": message, "endpoint": endpoint},
        )
        await session.commit()
    async with client.session() as session:
        await webhook.delete_endpoint(session, WHO, endpoint)
        assert [one.id for one in await webhook.endpoints(session)] == [other]
        with pytest.raises(NotFound):
            await webhook.endpoint(session, endpoint)
        with pytest.raises(NotFound):
            await webhook.delete_endpoint(session, WHO, endpoint)
        assert (await session.execute(text("select count(*) from webhook_deliveries"))).scalar() == 3501
        await session.commit()

    async def is_gone() -> bool:
        async with client.session() as session:
            return not (
                await session.execute(text("select 1 from webhook_endpoints where id = :id"), {"id": endpoint})
            ).first()

    await wait_for(is_gone, what="the end of the endpoint")
    [left] = await deliveries_of(client)
    assert (left.endpoint_id, left.outcome) == (other, "succeeded")
    async with client.session() as session:
        counted = await session.execute(
            text(
                "select count(*) from jobs where state = 'cancelled'"
                f" and error->>'message' like 'Its endpoint {endpoint} was deleted.%'"
            )
        )
        assert counted.scalar() == 500


async def test_what_is_published_after_an_endpoint_was_deleted_does_not_get_to_it(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint that is deleted while what is left of it is not, then it gets no event, and one that was on its
    way ends without a request."""
    endpoint, _ = await add_endpoint(client, here.url("/"))
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {})
        await session.execute(  # as deleting it does, before anybody tidies
            text("update webhook_endpoints set deleted_at = now(), disabled_at = now(), disabled_reason = 'Deleted.'")
        )
        assert (await webhook.publish(session, "order.paid", {})).deliveries == 0
        await session.commit()
    [delivery] = await ended(client, endpoint_id=endpoint)
    assert (delivery.outcome, here.received) == ("skipped", [])


async def test_nothing_of_a_deleted_endpoint_runs_and_fails(client: Client, worker: StartProcess) -> None:
    """Given an endpoint with deliveries that wait, and one whose request is under way, when it is deleted, then their
    jobs are cancelled, or about to be, and say why; others' are not."""
    endpoint, _ = await add_endpoint(client, "https://example.com/hooks")
    for _ in range(2):
        await publish(client)
    async with client.database.connection() as connection:
        running, waiting = [row["id"] for row in await connection.fetch("select id from jobs order by id")]
        await connection.execute(
            "update jobs set state = 'running', attempt = 1, started_at = now(), worker = gen_random_uuid()"
            " where id = $1",
            running,
        )
    other, _ = await add_endpoint(client, "https://example.com/hooks")
    await publish(client)
    async with client.session() as session:
        await webhook.delete_endpoint(session, WHO, endpoint)
        await session.commit()
    await worker("actors", "--queues", "maintenance")
    await wait_for(partial(_has_tidied, client), what="the end of tidying")
    async with client.database.connection() as connection:
        rows = await connection.fetch(
            "select id, state, control, error->>'message' as why from jobs where queue = 'webhooks' order by id"
        )
    told = {row["id"]: (row["state"], row["control"]) for row in rows}
    assert told.pop(running) == ("running", "cancel")
    assert told.pop(waiting) == ("cancelled", None)
    assert [state for state, _ in told.values()].count("cancelled") == 1  # the last event's, to the first endpoint
    [kept] = await deliveries_of(client, endpoint_id=other)
    assert told[kept.job_id][0] == "queued"
    assert {row["why"] for row in rows} == {None, f"Its endpoint {endpoint} was deleted. (by callboard)"}


async def _has_tidied(client: Client) -> bool:
    async with client.session() as session:
        found = await session.execute(text("select outcome from jobs where actor = 'tidy_webhooks'"))
        return found.scalar() == Outcome.SUCCEEDED
