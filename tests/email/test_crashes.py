"""A worker that is killed at any point of a send: the copies are counted at a real SMTP server."""

import asyncio
import uuid
from functools import partial
from itertools import product

from runtime.client import Client
from services import email, jobs
from tests.conftest import StartProcess
from tests.email.postman import Postman, postman
from tests.runtime.observing import lease_runs_out
from tests.support.locks import end_waiting_statements, locked, statements_wait
from tests.support.waiting import wait_for

BEFORE_CLAIM, CLAIMED, ACCEPTED, ANSWERED, COMMITTED = POINTS = (
    "before-claim",  # the claim is on its way to the database
    "claimed",  # committed; the server is being told of the recipient
    "accepted",  # the server has the message and has not answered yet
    "answered",  # its answer is on its way to the database
    "committed",  # the mail's row says so; the job's does not
)
POLICIES = ("at_most_once", "at_least_once")

# How often the mail is to arrive, and what its row says in the end.
EXPECTED = {
    (BEFORE_CLAIM, "at_most_once"): (1, "sent"),
    (CLAIMED, "at_most_once"): (0, "unknown"),
    (ACCEPTED, "at_most_once"): (1, "unknown"),
    (ANSWERED, "at_most_once"): (1, "unknown"),
    (COMMITTED, "at_most_once"): (1, "sent"),
    (BEFORE_CLAIM, "at_least_once"): (1, "sent"),
    (CLAIMED, "at_least_once"): (1, "sent"),
    (ACCEPTED, "at_least_once"): (2, "sent"),
    (ANSWERED, "at_least_once"): (2, "sent"),
    (COMMITTED, "at_least_once"): (1, "sent"),
}
Mails = dict[tuple[str, str], uuid.UUID]


def address(point: str, policy: str) -> str:
    return f"{point}.{policy}@example.com"


def ids(mails: Mails, point: str) -> list[uuid.UUID]:
    return [mails[point, policy] for policy in POLICIES]


async def enqueue(client: Client) -> Mails:
    mails = {}
    async with client.session() as session:
        for point, policy in product(POINTS, POLICIES):
            sent = await email.send(
                session, to=address(point, policy), subject="Hello", text="Curtain.", policy=policy,
                options=jobs.Options(min_backoff=1, max_backoff=1),
            )  # fmt: skip
            mails[point, policy] = sent.id
        await session.commit()
    return mails


async def statuses(client: Client, mails: Mails) -> dict[tuple[str, str], str]:
    async with client.database.connection() as connection:
        found = dict(await connection.fetch("select id, status from emails"))
    return {case: found[mail] for case, mail in mails.items()}


async def are(client: Client, mails: Mails, point: str, status: str) -> bool:
    found = await statuses(client, mails)
    return all(found[point, policy] == status for policy in POLICIES)


async def all_ended(client: Client) -> bool:
    async with client.database.connection() as connection:
        return not await connection.fetchval("select exists (select from jobs where outcome is null)")


def hold(server: Postman) -> list[asyncio.Event]:
    steps = [f"RCPT {address(CLAIMED, policy)}" for policy in POLICIES]
    steps += [f"DATA {address(point, policy)}" for point in (ACCEPTED, ANSWERED, COMMITTED) for policy in POLICIES]
    server.holds |= {step: asyncio.Event() for step in steps}
    return [server.holds[step] for step in steps]


def answer(server: Postman, point: str) -> None:
    for policy in POLICIES:
        server.holds[f"DATA {address(point, policy)}"].set()


async def test_no_point_of_a_send_doubles_a_mail_or_loses_one(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a mail of each policy at each point of its way, when the worker is killed, and another takes over, then
    one to be sent at most once never arrives twice, one to be sent at least once arrives, and none is forgotten: of
    which nobody knows what became of it says so."""
    variables = {"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none"}
    async with postman() as server:
        variables["SMTP_PORT"] = str(server.port)
        holds = hold(server)
        mails = await enqueue(client)

        async with locked(client, "emails", ids(mails, BEFORE_CLAIM)):
            first = await worker("actors", **variables)
            await scheduler(**variables)
            for point in (CLAIMED, ACCEPTED, ANSWERED, COMMITTED):
                await wait_for(partial(are, client, mails, point, "sending"), what=point)
            await wait_for(lambda: len(server.received) == 6, what="the messages at the server")
            async with (
                locked(client, "emails", ids(mails, ANSWERED)),
                locked(client, "jobs", ids(mails, COMMITTED)) as connection,
            ):
                answer(server, ANSWERED)
                answer(server, COMMITTED)
                await wait_for(lambda: are(client, mails, COMMITTED, "sent"), what="the row of a committed mail")
                # Two claims, two outcomes, and the ends of two jobs in one statement.
                await statements_wait(client, 5)
                first.kill()
                await end_waiting_statements(client, connection)
                await lease_runs_out(client)
        for event in holds:
            event.set()
        await worker("actors", **variables)
        await wait_for(lambda: all_ended(client), what="the end of all jobs")

    copies = {case: sum(received.recipients == [address(*case)] for received in server.received) for case in EXPECTED}
    ended = await statuses(client, mails)
    assert {case: (copies[case], ended[case]) for case in EXPECTED} == EXPECTED
    assert len({received.mail["Message-ID"] for received in server.received}) == 9
