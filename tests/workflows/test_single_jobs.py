"""What people do to a single job of a workflow."""

import uuid

import pytest

from errors import Conflict
from runtime.client import Client
from scheduling.workflows import Workflows
from services import control, workflows
from services.control import Verb
from services.workflows import chord, each, group, s, si
from tests.runtime.observing import fetch, row, value
from tests.workflows import by_hand
from tests.workflows import observing as see
from tests.workflows.flow_actors import flow_collect, flow_value


async def do(client: Client, verb: Verb, job: uuid.UUID) -> None:
    async with client.session() as session:
        await control.act(session, verb, job, who="ada")
        await session.commit()


async def the_net(client: Client) -> None:
    """A round of what finds ended jobs that nobody has reported."""
    await Workflows(client.database, client.redis, client.outbox).run_once()


async def test_a_job_is_not_deleted_before_its_workflow_has_heard_of_its_end(client: Client) -> None:
    """Given a job of a group that a person has cancelled, and no scheduler yet that tells the workflow so, when it is
    to be deleted, then that is refused; once its workflow has ended it is deleted."""
    workflow = await see.start(client, group(si(flow_value, 1), si(flow_value, 2)))
    job = await value(client, "select id from jobs where item = 0")
    await do(client, Verb.CANCEL, job)
    with pytest.raises(Conflict, match=f"cannot be deleted before its workflow {workflow} has ended"):
        await do(client, Verb.DELETE, job)

    await the_net(client)
    assert (await see.ended(client, workflow)).state == "failed"
    await do(client, Verb.DELETE, job)
    assert await value(client, "select count(*) from jobs where id = $1", job) == 0


async def test_an_item_whose_result_is_still_to_be_listed_is_not_deleted(client: Client) -> None:
    """Given a map one of whose items has succeeded, when that item's job is to be deleted, then that is refused, and
    the list has the results of all."""
    workflow, items = await by_hand.begin(client, each(flow_value, [1, 2, 3]))
    async with client.database.connection() as connection:
        await by_hand.succeed(client, connection, workflow, items[0])
        with pytest.raises(Conflict, match="may still ask for its result"):
            await do(client, Verb.DELETE, items[0])
        for item in items[1:]:
            await by_hand.succeed(client, connection, workflow, item)
    (step,) = await see.steps(client, workflow)
    assert step.result == [1, 1, 1]


async def test_a_job_counts_once_for_its_step(client: Client) -> None:
    """Given three jobs of which one has failed, as it may, when a person wants that one run again while the others run,
    then that is refused, and the body is given what both of them return; after that it may be run again."""
    children = group(*(si(flow_value, number).failing("continue") for number in range(3)))
    flow = chord(children, s(flow_collect).joining("all_done"))
    workflow, (failed, *others) = await by_hand.begin(client, flow)
    async with client.database.connection() as connection:
        await by_hand.fail(client, connection, workflow, failed)
        with pytest.raises(Conflict, match=f"callboard workflows retry {workflow}"):
            await do(client, Verb.RETRY, failed)
        for job in others:
            await by_hand.succeed(client, connection, workflow, job)
    assert await value(client, "select args->0 from jobs where actor = $1", flow_collect.actor_name) == [None, 1, 1]
    await do(client, Verb.RETRY, failed)
    assert (await row(client, failed)).state == "queued"


async def test_a_job_whose_end_does_not_count_yet_is_run_again(client: Client) -> None:
    """Given a job that a person has cancelled, and no scheduler that tells its workflow so, when it is run again, then
    it counts once, as it ends then."""
    workflow = await see.start(client, group(si(flow_value, 1), si(flow_value, 2)))
    job = await value(client, "select id from jobs where item = 0")
    await do(client, Verb.CANCEL, job)
    await do(client, Verb.RETRY, job)
    await the_net(client)
    (step,) = await see.steps(client, workflow)
    assert (step.state, step.ended) == ("running", 0)


async def test_a_workflow_that_cannot_be_told_does_not_keep_others_from_hearing(client: Client) -> None:
    """Given two workflows a job of each of which some program has ended, and the counts of one contradict that, then
    the other hears of it."""
    spoilt, sound = [await see.start(client, si(flow_value, number)) for number in range(2)]
    await fetch(client, "update jobs set state = 'cancelled', outcome = 3, finished_at = now()")
    await fetch(client, "update workflow_steps set ended = released where workflow_id = $1", spoilt)
    await the_net(client)
    assert (await see.ended(client, sound)).state == "failed"
    assert (await see.reaches(client, spoilt, "running")).finished_at is None


async def test_a_job_that_is_being_run_again_is_awaited_by_a_retry(client: Client) -> None:
    """Given a group both of whose jobs have failed, one of which a person has run again by itself, when the workflow is
    retried meanwhile, then its step goes on until both have ended."""
    workflow, (one, other) = await by_hand.begin(client, group(si(flow_value, 1), si(flow_value, 2)))
    async with client.database.connection() as connection:
        for job in (one, other):
            await by_hand.fail(client, connection, workflow, job)
        await do(client, Verb.RETRY, one)
        await see.act(client, workflows.retry, workflow)
        await by_hand.claim(client, [one, other], attempt=1)
        await by_hand.succeed(client, connection, workflow, one, attempt=2)
        (step,) = await see.steps(client, workflow)
        assert (step.state, step.ended) == ("running", 1)
        await by_hand.succeed(client, connection, workflow, other, attempt=2)
    assert (await see.ended(client, workflow)).state == "succeeded"
    (step,) = await see.steps(client, workflow)
    assert step.result == [1, 1]
