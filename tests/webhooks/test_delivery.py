"""Webhooks end to end: a real worker, a real scheduler for the retries, real receivers that behave as they like."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from db import webhooks
from db.models import Job
from errors import Conflict
from providers.webhooks.signing import public_key, verify
from runtime.client import Client
from services import jobs, webhook
from tests.http.hostile import Receiver, answer, receiver
from tests.support.waiting import wait_for
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import (
    WHO,
    add_endpoint,
    attempts_of,
    deliveries_of,
    ended,
    endpoint_now,
    publish,
)


async def test_an_event_reaches_whoever_wants_it_signed(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given endpoints with and without filters, when an event is published, then those that want it have it, once,
    with a signature over the very bytes."""
    wants, secret = await add_endpoint(client, here.url("/wants"), event_types=["order.paid"])
    takes_all, other_secret = await add_endpoint(client, here.url("/all"), headers={"Authorization": "Bearer t0ken"})
    await add_endpoint(client, here.url("/other"), event_types=["order.shipped"])

    message = await publish(client, {"order": 7, "name": "Zoë"})
    await ended(client, 2)

    got = {request.path: request for request in here.received}
    assert sorted(got) == ["/all", "/wants"]
    assert len(here.received) == 2
    for path, key in (("/wants", secret), ("/all", other_secret)):
        headers, body = got[path].headers, got[path].body
        assert headers["webhook-id"] == webhook.message_name(message)
        timestamp = int(headers["webhook-timestamp"])
        assert verify(key, headers["webhook-id"], timestamp, body, headers["webhook-signature"], time.time())
        assert json.loads(body)["data"] == {"order": 7, "name": "Zoë"}
        assert json.loads(body)["type"] == "order.paid"
    assert got["/all"].headers["authorization"] == "Bearer t0ken"

    # And the record shows the request, without what may be secret
    [delivery] = await deliveries_of(client, endpoint_id=takes_all)
    [attempt] = await attempts_of(client, delivery)
    assert (attempt.status, attempt.code, attempt.address) == (200, None, "127.0.0.1")
    assert attempt.request_headers is not None
    assert attempt.request_headers["Authorization"] == "********"
    assert attempt.timings is not None
    assert attempt.timings["total"] > 0
    assert wants != takes_all


async def test_a_failed_attempt_is_tried_again_with_the_same_id(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given a receiver that fails twice, then the third attempt succeeds, and each one is on record."""
    here.answers[:] = [answer(500, body=b"a\0b"), answer(404), answer(204)]
    endpoint, _ = await add_endpoint(client, here.url("/scripted"))
    await publish(client)
    [delivery] = await ended(client)

    assert (delivery.outcome, delivery.attempts) == ("succeeded", 3)
    attempts = await attempts_of(client, delivery)
    assert [attempt.status for attempt in attempts] == [500, 404, 204]
    assert attempts[0].response_body == "a\N{REPLACEMENT CHARACTER}b"
    assert attempts[0].next_attempt_at is not None
    assert len({request.headers["webhook-id"] for request in here.received}) == 1
    assert len({request.body for request in here.received}) == 1
    assert (await endpoint_now(client, endpoint)).failing_since is None


async def test_what_never_succeeds_is_exhausted_kept_and_replayed(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given a receiver that fails until the schedule is over, then the delivery is kept; replayed, it arrives."""
    here.answers[:] = [answer(500)] * 4
    await add_endpoint(client, here.url("/scripted"))
    await publish(client)
    [delivery] = await ended(client)
    assert (delivery.outcome, delivery.attempts) == ("exhausted", 4)
    assert delivery.job_id is not None
    job = await wait_for(lambda: _ended_job(client, delivery.job_id))
    assert job.state == "failed"

    async with client.session() as session:
        replayed = await webhook.replay(session, WHO, delivery.id)
        await session.commit()
    first, second = await ended(client, 2)
    assert (first.id, second.id, second.replay_of) == (delivery.id, replayed, delivery.id)
    assert second.outcome == "succeeded"
    assert len({request.headers["webhook-id"] for request in here.received}) == 1


async def _ended_job(client: Client, job_id: uuid.UUID | None) -> Job | None:
    assert job_id is not None
    async with client.session() as session:
        job = await jobs.get(session, job_id)
    return job if job.finished_at else None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("reset", "reset"),
        ("silence", "timeout_total"),
        ("drip-headers", "timeout_total"),
        ("huge-headers", "protocol"),
        ("nonsense", "protocol"),
        ("redirect", None),
    ],
)
async def test_a_hostile_receiver_costs_an_attempt_and_no_more(
    carriers: Carriers, client: Client, here: Receiver, path: str, code: str | None
) -> None:
    """Given a receiver that means no good, then every attempt ends in time, with its reason on record."""
    await add_endpoint(client, here.url(f"/{path}"), timeout=1 if code == "timeout_total" else 60)
    await publish(client)
    [delivery] = await ended(client)
    assert delivery.outcome == "exhausted"
    attempts = await attempts_of(client, delivery)
    assert [attempt.code for attempt in attempts] == [code] * 4
    assert [attempt.address for attempt in attempts] == ["127.0.0.1"] * 4
    assert all(attempt.timings and attempt.timings["connected"] <= attempt.timings["total"] for attempt in attempts)
    assert len(here.received) == 4
    assert {request.path for request in here.received} == {f"/{path}"}


async def test_an_endpoint_that_somebody_holds_delays_no_other(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given somebody who holds an endpoint's row for long, when events go to it and to another, then the other's are
    delivered and on record; those of the held one are once it is let go."""
    held, _ = await add_endpoint(client, here.url("/500"))  # its first failure is to be written on its row
    other, _ = await add_endpoint(client, here.url("/"))
    async with client.session() as session:
        await session.execute(text("update webhook_endpoints set description = 'held' where id = :id"), {"id": held})
        for _ in range(5):
            await publish(client)
        assert {delivery.outcome for delivery in await ended(client, 5, endpoint_id=other)} == {"succeeded"}
        assert {delivery.failures for delivery in await deliveries_of(client, endpoint_id=held)} == {0}
    assert {delivery.outcome for delivery in await ended(client, 5, endpoint_id=held)} == {"exhausted"}


@pytest.mark.parametrize("path", ["bomb", "endless", "drip-body", "not-utf8", "early-hints"])
async def test_a_2xx_counts_whatever_its_body_is(carriers: Carriers, client: Client, here: Receiver, path: str) -> None:
    await add_endpoint(client, here.url(f"/{path}"), timeout=2 if path == "drip-body" else 60)
    await publish(client)
    [delivery] = await ended(client)
    [attempt] = await attempts_of(client, delivery)
    assert (delivery.outcome, attempt.status) == ("succeeded", 200)
    assert len(attempt.response_body or "") <= 16_384
    assert attempt.truncated is (path in ("bomb", "endless", "drip-body"))


async def test_gone_disables_the_endpoint_and_tells_others_and_its_owner(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given a receiver that says 410, then it gets nothing more; others get an event, its owner a mail; what is
    published meanwhile is kept, and recovered once it is enabled."""
    gone, _ = await add_endpoint(
        client, here.url("/scripted"), event_types=["order.paid"], owner_email="owner@example.com"
    )
    await add_endpoint(client, here.url("/watching"), event_types=["webhook.endpoint.disabled"])
    here.answers[:] = [answer(410)]
    began = datetime.now(UTC) - timedelta(minutes=1)
    await publish(client)
    await ended(client, 2)

    found = await endpoint_now(client, gone)
    assert found.disabled_at is not None
    assert "410" in (found.disabled_reason or "")
    [event] = [request for request in here.received if request.path == "/watching"]
    assert json.loads(event.body)["data"]["endpoint_id"] == str(gone)
    async with client.session() as session:
        mails = (await session.execute(text("select count(*) from jobs where actor = 'send_email'"))).scalar()
    assert mails == 1

    await publish(client, {"order": 8})
    [_, skipped] = await ended(client, 2, endpoint_id=gone)
    assert skipped.outcome == "skipped"
    async with client.session() as session:
        with pytest.raises(Conflict):
            await webhook.recover(session, WHO, gone, began)
    async with client.session() as session:
        await webhook.enable_endpoint(session, WHO, gone)
        await webhook.recover(session, WHO, gone, began, rate=1000)
        await session.commit()
    outcomes = [delivery.outcome for delivery in await ended(client, 4, endpoint_id=gone)]
    assert outcomes == ["gone", "skipped", "succeeded", "succeeded"]


async def fails_since(client: Client, ago: str) -> None:
    async with client.session() as session:
        await session.execute(text(f"update webhook_endpoints set failing_since = now() - interval '{ago}'"))
        await session.commit()


async def test_days_of_nothing_but_failures_disable_an_endpoint(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint that has failed for five days, when a delivery is exhausted, then it is disabled."""
    endpoint, _ = await add_endpoint(client, here.url("/500"))
    await fails_since(client, "5 days 1 minute")
    await publish(client)
    [delivery] = await ended(client, endpoint_id=endpoint)
    assert delivery.outcome == "exhausted"
    found = await endpoint_now(client, endpoint)
    assert found.disabled_at is not None
    assert "5 days" in (found.disabled_reason or "")


async def test_an_owner_is_warned_once_before_the_endpoint_is_disabled(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint that fails, then at the fourth failure of a delivery its owner gets a mail and others an event,
    whatever else fails; half-way to the days after which it is disabled once more; and once more when it has worked
    meanwhile."""
    fails, _ = await add_endpoint(
        client, here.url("/scripted"), event_types=["order.paid"], owner_email="owner@example.com"
    )
    await add_endpoint(client, here.url("/watching"), event_types=["webhook.endpoint.failing"])
    here.answers[:] = [answer(500)] * 4
    await publish(client)
    await ended(client, 2)
    assert await _warnings(client, here, fails) == 1
    here.answers[:] = [answer(500)] * 8
    for _ in range(2):
        await publish(client)
        await wait_for(lambda: not here.answers or len(here.answers) == 4, what="the failures")
    await ended(client, 4)
    assert await _warnings(client, here, fails) == 1
    assert (await endpoint_now(client, fails)).warned_at is not None

    async with client.session() as session:
        await session.execute(
            text(
                "update webhook_endpoints set failing_since = now() - interval '61 hours',"
                " warned_at = now() - interval '60 hours' where id = :id"
            ),
            {"id": fails},
        )
        await session.commit()
    here.answers[:] = [answer(500)] * 2
    await publish(client)  # fails twice, and is delivered then: the episode is over
    await ended(client, 6)
    assert await _warnings(client, here, fails) == 2
    found = await endpoint_now(client, fails)
    assert (found.failing_since, found.warned_at, found.disabled_at) == (None, None, None)

    here.answers[:] = [answer(500)] * 4
    await publish(client)
    await ended(client, 8)
    assert await _warnings(client, here, fails) == 3
    event = json.loads(next(request for request in here.received if request.path == "/watching").body)
    assert event["type"] == "webhook.endpoint.failing"
    assert event["data"]["error"] == "The receiver answered 500."


async def _warnings(client: Client, here: Receiver, endpoint: uuid.UUID) -> int:
    """Of this endpoint, as mails and as events: as many of both."""
    told = [json.loads(request.body)["data"] for request in here.received if request.path == "/watching"]
    async with client.session() as session:
        found = await session.execute(
            text(
                "select kwargs->>'subject' from jobs where actor = 'send_email' and kwargs->>'to' = 'owner@example.com'"
            )
        )
        subjects = list(found.scalars())
    assert [data["endpoint_id"] for data in told] == [str(endpoint)] * len(subjects)
    assert set(subjects) <= {"A webhook endpoint fails"}
    return len(subjects)


async def test_one_more_failure_after_a_quiet_week_does_not_disable_an_endpoint(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint whose last attempt, days ago, failed, when it fails once more and then works, then it stays."""
    here.answers[:] = [answer(500)]
    endpoint, _ = await add_endpoint(client, here.url("/scripted"))
    await fails_since(client, "6 days")
    await publish(client)
    [delivery] = await ended(client, endpoint_id=endpoint)
    assert (delivery.outcome, delivery.failures) == ("succeeded", 1)
    found = await endpoint_now(client, endpoint)
    assert (found.disabled_at, found.failing_since) == (None, None)


async def test_a_test_is_tried_once_and_says_nothing_against_its_endpoint(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint that has failed for long, and an event that waits there, when a test is sent and fails
    too, then it was not kept waiting and is not tried again, and the endpoint is as it was."""
    endpoint, _ = await add_endpoint(client, here.url("/500"), ordered=True)
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {})
        await session.execute(text("update jobs set run_at = 'infinity'"))
        await session.execute(text("update webhook_endpoints set failing_since = now() - interval '9 days'"))
        await session.commit()
    before = (await endpoint_now(client, endpoint)).failing_since
    async with client.session() as session:
        sent = await webhook.send_test(session, endpoint)
        await session.commit()
    [test] = await ended(client, message_id=sent.message_id)
    assert (test.outcome, test.attempts, test.failures, len(here.received)) == ("exhausted", 1, 0, 1)
    found = await endpoint_now(client, endpoint)
    assert (found.disabled_at, found.failing_since, found.throttled_until) == (None, before, None)
    async with client.session() as session:
        await webhook.delete_endpoint(session, WHO, endpoint)
        await session.commit()


async def test_an_endpoint_that_works_again_meanwhile_is_not_disabled(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an endpoint that has failed for days, and a last attempt under way, when another delivery succeeds and then
    that attempt fails, then the endpoint stays."""
    here.answers[:] = [answer(500)]
    endpoint, _ = await add_endpoint(client, here.url("/held"), timeout=60)
    async with client.session() as session:
        await webhook.publish(session, "order.paid", {"order": 1})
        await session.execute(text("update webhook_deliveries set failures = 3"))
        await session.execute(text("update webhook_endpoints set failing_since = now() - interval '6 days'"))
        await session.commit()
    await here.arrived.wait()
    async with client.session() as session:  # as a success writes it
        await session.execute(text("update webhook_endpoints set failing_since = null"))
        await session.commit()
    here.released.set()
    [delivery] = await ended(client, endpoint_id=endpoint)
    assert delivery.outcome == "exhausted"
    assert (await endpoint_now(client, endpoint)).disabled_at is None


@pytest.mark.parametrize("headers", ["webhook-delivery: abort-message\r\n", "Retry-After: 3\r\n"])
async def test_what_does_not_count_does_not_say_that_an_endpoint_fails(
    carriers: Carriers, client: Client, here: Receiver, headers: str
) -> None:
    """Given a receiver that wants no more of a message, or puts it off, then its endpoint is not failing."""
    here.answers[:] = [answer(503, headers)]
    endpoint, _ = await add_endpoint(client, here.url("/scripted"))
    await publish(client)
    await wait_for(lambda: _has_attempt(client))
    assert (await endpoint_now(client, endpoint)).failing_since is None
    await ended(client)


async def _has_attempt(client: Client) -> bool:
    async with client.session() as session:
        return (await session.execute(text("select 1 from webhook_attempts"))).first() is not None


async def test_retry_after_quiets_the_whole_endpoint_and_costs_no_attempt(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given a receiver that says 429 and for how long, then nothing reaches it before, and the attempt is free."""
    here.answers[:] = [answer(429, "Retry-After: 2\r\n")]
    await add_endpoint(client, here.url("/scripted"))
    await publish(client)
    await wait_for(lambda: _has_attempt(client))
    await publish(client)
    first, other = await ended(client, 2)
    [told, again], [only] = [await attempts_of(client, delivery) for delivery in (first, other)]
    for later in (again, only):
        assert later.started_at - told.ended_at >= timedelta(seconds=1.8)
    assert (first.attempts, first.failures, other.attempts) == (2, 0, 1)


async def test_what_cannot_be_opened_is_a_failure_that_is_counted(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint whose headers were sealed with another key, when two events are published, then each
    has its attempts, says why, and is exhausted; nothing is sent, and the endpoint is not said to fail."""
    endpoint, _ = await add_endpoint(client, here.url("/"), ordered=True)
    async with client.session() as session:
        await session.execute(text("update webhook_endpoints set headers = 'sealed with another key'"))
        await session.commit()
    for number in range(2):
        await publish(client, {"number": number})
    for delivery in await ended(client, 2):
        assert (delivery.outcome, delivery.attempts, delivery.failures) == ("exhausted", 4, 4)
        attempts = await attempts_of(client, delivery)
        assert [attempt.code for attempt in attempts] == ["internal"] * 4
        assert "SECRET_KEY" in (attempts[0].error or "")
    assert here.received == []
    assert (await endpoint_now(client, endpoint)).failing_since is None


async def test_an_endpoint_may_have_a_schedule_of_its_own(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given an endpoint that is to be tried once more after a second, and fails, then it gets two attempts, that far
    apart; another is tried as the settings say."""
    own, _ = await add_endpoint(client, here.url("/500"), event_types=["order.paid"], schedule=[1])
    other, _ = await add_endpoint(client, here.url("/500"), event_types=["order.paid"])
    await publish(client)
    [delivery] = await ended(client, endpoint_id=own)
    first, second = await attempts_of(client, delivery)
    assert (delivery.outcome, first.next_attempt_at is not None) == ("exhausted", True)
    assert second.started_at - first.ended_at >= timedelta(seconds=1)
    assert (await ended(client, endpoint_id=other))[0].attempts == 4


async def test_the_receivers_wish_ends_a_message(carriers: Carriers, client: Client, here: Receiver) -> None:
    here.answers[:] = [answer(500, "webhook-delivery: abort-message\r\n")]
    endpoint, _ = await add_endpoint(client, here.url("/scripted"))
    await publish(client)
    [delivery] = await ended(client)
    assert (delivery.outcome, delivery.attempts) == ("aborted", 1)
    assert (await endpoint_now(client, endpoint)).disabled_at is None


async def test_an_ordered_endpoint_gets_one_after_the_other(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given an ordered endpoint that fails at first, when five events are published, then they come in their order."""
    here.answers[:] = [answer(500), answer(500)]
    await add_endpoint(client, here.url("/scripted"), ordered=True)
    for number in range(5):
        await publish(client, {"number": number})
    await ended(client, 5)
    assert [json.loads(request.body)["data"]["number"] for request in here.received] == [0, 0, 0, 1, 2, 3, 4]


async def test_what_an_ordered_endpoint_misses_while_disabled_leaves_nothing_behind(
    carriers: Carriers, client: Client, here: Receiver
) -> None:
    """Given an ordered endpoint that is disabled while one event has its job and another is just being published, then
    both end as skipped."""
    await add_endpoint(client, here.url("/"), ordered=True)
    async with client.session() as session:
        for number in range(2):
            await webhook.publish(session, "order.paid", {"number": number})
        await session.execute(text("update webhook_endpoints set disabled_at = now(), disabled_reason = 'not now'"))
        await session.commit()
    assert [delivery.outcome for delivery in await ended(client, 2)] == ["skipped", "skipped"]


async def test_a_rate_spreads_what_an_endpoint_gets(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given an endpoint of ten a second, when five events are published at once, then they take their time."""
    await add_endpoint(client, here.url("/"), rate=10)
    began = datetime.now(UTC)
    for number in range(5):
        await publish(client, {"number": number})
    found = await ended(client, 5)
    starts = [(await attempts_of(client, delivery))[0].started_at for delivery in found]
    assert max(starts) - began >= timedelta(seconds=0.4)
    assert all(delivery.attempts == 1 for delivery in found)


async def test_a_rate_is_kept_after_a_pause(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given deliveries whose places within their endpoint's rate have passed while nothing was sent, when it goes on,
    then they take new places and do not leave all at once."""
    began = datetime.now(UTC)
    async with client.session() as session:
        endpoint, _ = await webhook.create_endpoint(session, WHO, webhook.EndpointFields(url=here.url("/"), rate=5))
        for number in range(6):
            await webhook.publish(session, "order.paid", {"number": number})
        await session.execute(text("update webhook_deliveries set slot_at = now() - interval '5 minutes'"))
        await session.commit()
    found = await ended(client, 6, endpoint_id=endpoint.id)
    starts = [(await attempts_of(client, delivery))[0].started_at for delivery in found]
    assert max(starts) - began >= timedelta(seconds=1)


async def test_workers_that_are_always_late_send_in_the_end(client: Client) -> None:
    """Given a delivery whose run comes ten seconds after its place, each time, then it takes new places at first, and
    keeps the one it has at its fourth run."""
    endpoint, _ = await add_endpoint(client, "https://example.com/hooks", rate=1)
    await publish(client)
    [delivery] = await deliveries_of(client, endpoint_id=endpoint)
    assert delivery.job_id is not None
    passes = []
    async with client.database.connection() as connection:
        for run in range(1, 5):
            await connection.execute("update webhook_deliveries set slot_at = now() - interval '10 s'")
            row = await connection.fetchrow(webhooks.CLAIM, [delivery.id], [delivery.job_id], [run])
            assert row is not None
            passes.append(row["number"] is not None)
    assert passes == [False, False, False, True]


async def test_while_secrets_rotate_old_and_new_sign(carriers: Carriers, client: Client, here: Receiver) -> None:
    endpoint, old = await add_endpoint(client, here.url("/"))
    async with client.session() as session:
        new = await webhook.rotate_secret(session, WHO, endpoint, asymmetric=True)
        await session.commit()
    await publish(client)
    await ended(client)
    [request] = here.received
    public = public_key(new)
    assert public is not None
    for key in (old, public):
        headers = request.headers
        assert verify(
            key, headers["webhook-id"], int(headers["webhook-timestamp"]), request.body,
            headers["webhook-signature"], time.time(),
        )  # fmt: skip


async def test_one_address_needs_no_endpoint(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given no endpoint, when a payload is sent to an address, then it has just that, signed with the secret."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with client.session() as session:
        sent = await webhook.send(session, here.url("/in"), {"hello": 1}, secret=secret, headers={"X-Key": "k"})
        await session.commit()
    [delivery] = await ended(client, message_id=sent.message_id)
    [request] = here.received
    assert (delivery.outcome, request.body, request.headers["x-key"]) == ("succeeded", b'{"hello":1}', "k")
    async with client.session() as session:
        await webhook.replay(session, WHO, delivery.id)
        await session.commit()
    await ended(client, 2, message_id=sent.message_id)
    again = here.received[1]
    assert verify(
        secret, again.headers["webhook-id"], int(again.headers["webhook-timestamp"]), again.body,
        again.headers["webhook-signature"], time.time(),
    )  # fmt: skip


async def test_one_that_hangs_slows_no_other(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given an endpoint that holds every request, when events go to it and to others, then the others have theirs
    while all of its own are still held."""
    async with receiver() as hanging:
        held, _ = await add_endpoint(client, hanging.url("/held"), timeout=60, event_types=["order.shipped"])
        healthy, _ = await add_endpoint(client, here.url("/"), event_types=["order.paid"])
        for _ in range(60):
            await publish(client, event_type="order.shipped")
        await wait_for(lambda: bool(hanging.received))
        for _ in range(60):
            await publish(client)
        await ended(client, 60, endpoint_id=healthy)
        assert all(delivery.outcome is None for delivery in await deliveries_of(client, endpoint_id=held))
        hanging.released.set()
        await ended(client, 60, endpoint_id=held)
