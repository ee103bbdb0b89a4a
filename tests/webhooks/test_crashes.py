"""Workers killed in the middle of a delivery: the copies are counted at the receiver."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from runtime.client import Client
from services import webhook
from tests.conftest import StartProcess
from tests.http.hostile import Receiver
from tests.runtime.observing import lease_runs_out
from tests.support.locks import end_waiting_statements, locked, statements_wait
from tests.support.process import Process
from tests.support.waiting import wait_for
from tests.webhooks.sending import WHO, add_endpoint, attempts_of, deliveries_of, ended, publish


async def killed_when(client: Client, worker: StartProcess, happened: Callable[[], bool]) -> None:
    """A worker that lives until then."""
    process: Process = await worker("actors")
    await publish(client)
    await wait_for(happened)
    process.kill()
    await lease_runs_out(client)


async def test_killed_before_the_claim_it_is_sent_once(
    client: Client, worker: StartProcess, scheduler: StartProcess, here: Receiver
) -> None:
    """Given a message that no worker has taken when the last one is killed, when another starts, then one copy."""
    await scheduler()
    (await worker("actors")).kill()
    await add_endpoint(client, here.url("/"))
    await publish(client)
    await worker("actors")
    [delivery] = await ended(client)
    assert (delivery.outcome, delivery.attempts, len(here.received)) == ("succeeded", 1, 1)


async def test_killed_while_the_request_is_under_way_it_is_sent_again_with_the_same_id(
    client: Client, worker: StartProcess, scheduler: StartProcess, here: Receiver
) -> None:
    """Given a receiver that has the request and has not answered, when the worker is killed, then another sends it
    again: the receiver knows it by its id, and the first attempt is on record as lost."""
    await scheduler()
    await add_endpoint(client, here.url("/held"), timeout=60)
    await killed_when(client, worker, here.arrived.is_set)
    here.released.set()
    await worker("actors")
    [delivery] = await ended(client)
    assert (delivery.outcome, delivery.attempts, len(here.received)) == ("succeeded", 2, 2)
    assert len({request.headers["webhook-id"] for request in here.received}) == 1
    assert [attempt.code for attempt in await attempts_of(client, delivery)] == ["lost", None]


async def test_killed_between_the_answer_and_its_record_it_is_sent_again_with_the_same_id(
    client: Client, worker: StartProcess, scheduler: StartProcess, here: Receiver
) -> None:
    """Given a receiver that has answered 200, when the worker is killed before that is on record, then there are two
    copies that the receiver knows by one id; the first attempt is on record as lost, and the delivery has succeeded."""
    await scheduler()
    await add_endpoint(client, here.url("/held"), timeout=60)
    process = await worker("actors")
    await publish(client)
    await wait_for(here.arrived.is_set)
    [claimed] = await deliveries_of(client)
    async with locked(client, "webhook_deliveries", [claimed.id]) as connection:
        here.released.set()
        await statements_wait(client)  # it knows the answer, and cannot write it down
        process.kill()
        await end_waiting_statements(client, connection)
    await lease_runs_out(client)
    await worker("actors")
    [delivery] = await ended(client)
    assert (delivery.outcome, delivery.attempts, len(here.received)) == ("succeeded", 2, 2)
    assert len({request.headers["webhook-id"] for request in here.received}) == 1
    assert [(attempt.code, attempt.status) for attempt in await attempts_of(client, delivery)] == [
        ("lost", None), (None, 200)
    ]  # fmt: skip


async def test_a_recovery_whose_worker_is_killed_makes_each_delivery_once(
    client: Client, worker: StartProcess, scheduler: StartProcess, here: Receiver
) -> None:
    """Given five deliveries that an endpoint has missed, recovered one by one, when the worker is killed with one made
    and the next being written, then another makes the rest: each is made, and arrives, once."""
    endpoint, _ = await add_endpoint(client, here.url("/"))
    async with client.session() as session:
        await webhook.disable_endpoint(session, WHO, endpoint, "not now")
        for number in range(5):
            await webhook.publish(session, "order.paid", {"number": number})
        await session.commit()
        await webhook.enable_endpoint(session, WHO, endpoint)
        await webhook.recover(session, WHO, endpoint, datetime.now(UTC) - timedelta(hours=1), rate=1)
        await session.commit()
    missed = await deliveries_of(client, outcomes=["skipped"])
    await scheduler()
    process = await worker("actors")
    await wait_for(lambda: here.received, what="the first recovered delivery")
    async with locked(client, "webhook_endpoints", [endpoint]) as connection:  # a delivery is written with its endpoint
        await statements_wait(client)
        made = len(await deliveries_of(client)) - len(missed)
        process.kill()
        await end_waiting_statements(client, connection)
    assert 1 <= made < len(missed)
    await lease_runs_out(client)
    await worker("actors")
    await wait_for(partial(_has_recovered, client), what="the end of the recovery")
    again = [one for one in await ended(client, 10) if one.replay_of]
    assert sorted(one.replay_of for one in again if one.replay_of) == [one.id for one in missed]
    assert {one.outcome for one in again} == {"succeeded"}
    assert sorted(json.loads(request.body)["data"]["number"] for request in here.received) == [0, 1, 2, 3, 4]


async def _has_recovered(client: Client) -> bool:
    async with client.database.connection() as connection:
        return bool(await connection.fetchval("select state = 'succeeded' from jobs where actor = 'replay_webhooks'"))


async def test_killed_after_the_outcome_was_written_it_is_not_sent_again(
    client: Client, worker: StartProcess, scheduler: StartProcess, here: Receiver
) -> None:
    """Given a delivery whose success is written, when its worker is killed and the job given to another, then that one
    sends nothing."""
    await scheduler()
    await add_endpoint(client, here.url("/"))
    process = await worker("actors")
    await publish(client)
    [delivery] = await ended(client)
    process.kill()
    async with client.database.connection() as connection:  # as if the kill had come before the end of its job
        await connection.execute(
            "update jobs set state = 'queued', outcome = null, finished_at = null, worker = null, dispatched_at = null"
            " where id = $1", delivery.job_id,
        )  # fmt: skip
    await worker("actors")
    await wait_for(partial(_has_run_again, client, delivery.job_id))
    assert len(here.received) == 1
    [after] = await deliveries_of(client)
    assert (after.outcome, after.attempts) == ("succeeded", 1)


async def _has_run_again(client: Client, job_id: object) -> bool:
    async with client.database.connection() as connection:
        return bool(
            await connection.fetchval("select state = 'succeeded' and attempt = 2 from jobs where id = $1", job_id)
        )
