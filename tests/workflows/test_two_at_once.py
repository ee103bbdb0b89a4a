"""Two connections decide about one workflow at the same moment: what they come to is as if one came after the other."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from db import workflows
from errors import Conflict
from runtime.client import Client
from services.workflows import cancel, chord, group, s, si
from tests.db.test_lock_order import waits_for_a_lock
from tests.runtime.observing import fetch, value
from tests.workflows import by_hand
from tests.workflows import observing as see
from tests.workflows.flow_actors import flow_collect, flow_value


@pytest_asyncio.fixture
async def begun(client: Client) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """A chord whose two children run, on this worker."""
    children = group(si(flow_value, 1), si(flow_value, 2))
    return await by_hand.begin(client, chord(children, s(flow_collect).named("body")))


class Meeting:
    """Holds a workflow until all who want it wait for it."""

    def __init__(self, holder: asyncpg.Connection, looker: asyncpg.Connection) -> None:
        self._holder, self._looker = holder, looker

    async def of(self, workflow: uuid.UUID, *those: tuple[asyncpg.Connection, Awaitable[object]]) -> list[object]:
        """Let them begin in this order, and go on together. What each returned, or raised."""
        tasks = []
        async with self._holder.transaction():
            await self._holder.execute(workflows.LOCK, [workflow])
            for connection, wanted in those:
                tasks.append(asyncio.ensure_future(wanted))
                await waits_for_a_lock(connection, self._looker)
        return list(await asyncio.gather(*tasks, return_exceptions=True))


@pytest_asyncio.fixture
async def meeting(client: Client) -> AsyncIterator[Meeting]:
    async with client.database.connection() as holder, client.database.connection() as looker:
        yield Meeting(holder, looker)


async def connection_of(session: AsyncSession) -> asyncpg.Connection:
    """The connection that the session has."""
    raw = await (await session.connection()).get_raw_connection()
    assert raw.driver_connection is not None
    connection: asyncpg.Connection = raw.driver_connection
    return connection


async def cancel_it(session: AsyncSession, workflow: uuid.UUID) -> None:
    await cancel(session, workflow, who="ada")
    await session.commit()


async def bodies(client: Client) -> list[str]:
    """The states of the jobs of the chord's body."""
    found = await fetch(client, "select state from jobs where actor = $1", flow_collect.actor_name)
    return [row["state"] for row in found]


async def test_the_last_two_children_end_at_once(
    client: Client, begun: tuple[uuid.UUID, list[uuid.UUID]], meeting: Meeting
) -> None:
    """Given the last two children of a chord, when both end at the same moment on two connections, then neither fails,
    and the body is there once, with both results."""
    workflow, (one, other) = begun
    async with client.database.connection() as first, client.database.connection() as second:
        came = await meeting.of(
            workflow,
            (first, by_hand.succeed(client, first, workflow, one)),
            (second, by_hand.succeed(client, second, workflow, other)),
        )
    assert came == [None, None]
    assert await bodies(client) == ["queued"]
    assert await value(client, "select args->0 from jobs where actor = $1", flow_collect.actor_name) == [1, 1]


async def meets_a_cancellation(
    client: Client, meeting: Meeting, workflow: uuid.UUID, job: uuid.UUID, *, is_cancelled_first: bool
) -> list[object]:
    """The job ends at the moment in which the workflow is cancelled. What became of the cancellation and of the end."""
    async with client.database.connection() as connection, client.session() as session:
        cancelling = await connection_of(session), cancel_it(session, workflow)
        ending = connection, by_hand.succeed(client, connection, workflow, job)
        if is_cancelled_first:
            return await meeting.of(workflow, cancelling, ending)
        return (await meeting.of(workflow, ending, cancelling))[::-1]


@pytest.mark.parametrize("is_cancelled_first", [True, False])
async def test_the_last_child_ends_while_the_workflow_is_cancelled(
    client: Client, begun: tuple[uuid.UUID, list[uuid.UUID]], meeting: Meeting, is_cancelled_first: bool
) -> None:
    """Given the last child of a chord, when it ends at the moment in which the workflow is cancelled, then it has
    succeeded, the body does not run, and the workflow is cancelled, whoever was first."""
    workflow, (one, other) = begun
    async with client.database.connection() as connection:
        await by_hand.succeed(client, connection, workflow, one)
    came = await meets_a_cancellation(client, meeting, workflow, other, is_cancelled_first=is_cancelled_first)
    assert came == [None, None]
    assert (await see.ended(client, workflow)).state == "cancelled"
    assert await value(client, "select state from jobs where id = $1", other) == "succeeded"
    assert await bodies(client) == ([] if is_cancelled_first else ["cancelled"])
    assert (await see.step(client, workflow, "body")).state == "cancelled"


@pytest.mark.parametrize("is_cancelled_first", [True, False])
async def test_the_last_job_of_all_ends_while_the_workflow_is_cancelled(
    client: Client, meeting: Meeting, is_cancelled_first: bool
) -> None:
    """Given a workflow whose last job ends as it is cancelled, then it has succeeded and the cancellation is refused,
    or it is cancelled: whoever was first."""
    workflow, (job,) = await by_hand.begin(client, si(flow_value, 1))
    cancelled, ended = await meets_a_cancellation(client, meeting, workflow, job, is_cancelled_first=is_cancelled_first)
    assert ended is None
    assert cancelled is None if is_cancelled_first else isinstance(cancelled, Conflict)
    assert (await see.ended(client, workflow)).state == ("cancelled" if is_cancelled_first else "succeeded")


async def test_workflows_are_taken_in_one_order(client: Client) -> None:
    """Given somebody who holds the one with the lower id, when both are wanted, then the other stays free till then."""
    low, high = sorted([await see.start(client, si(flow_value, n)) for n in range(2)])
    async with client.database.connection() as connection, client.database.connection() as looker:
        async with looker.transaction():
            await looker.execute(workflows.LOCK, [low])
            asked = asyncio.ensure_future(connection.fetch(workflows.LOCK, [high, low]))
            await waits_for_a_lock(connection, looker)
            async with client.database.connection() as third:
                await third.execute("select from workflows where id = $1 for update nowait", high)
        assert [row["id"] for row in await asked] == [low, high]
