"""A worker that is told to stop in the middle of a send: what has not left is as good as new."""

import asyncio
import signal
from functools import partial

from runtime.client import Client
from services import email, jobs
from tests.conftest import StartProcess
from tests.email.postman import Postman, postman
from tests.email.test_crashes import all_ended
from tests.support.locks import locked
from tests.support.waiting import wait_for

CLAIMING, NAMED, LEFT = "claiming@example.com", "named@example.com", "left@example.com"


def variables(server: Postman, grace: float) -> dict[str, str]:
    return {
        "EMAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none", "SMTP_PORT": str(server.port),
        "SHUTDOWN_GRACE": str(grace),
    }  # fmt: skip


async def enqueue(client: Client, *addresses: str) -> None:
    async with client.session() as session:
        for address in addresses:
            await email.send(
                session, to=address, subject="Hello", text="Curtain.", policy="at_most_once",
                options=jobs.Options(min_backoff=1, max_backoff=1),
            )  # fmt: skip
        await session.commit()


async def statuses(client: Client) -> dict[str, str]:
    async with client.database.connection() as connection:
        return dict(await connection.fetch("select addresses[1], status from emails"))


async def are(client: Client, expected: dict[str, str]) -> bool:
    return await statuses(client) == expected


def copies(server: Postman) -> dict[str, int]:
    sent = [received.recipients[0] for received in server.received]
    return {address: sent.count(address) for address in sent}


async def test_a_mail_is_in_doubt_only_once_it_has_left(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a mail that is being claimed, one whose recipient is being named and one that waits for the server's last
    word, when the worker stops and none of them gets on within its grace, then only the last one is in doubt; the
    others are sent by the next worker, once."""
    async with postman() as server:
        server.holds |= {f"RCPT {NAMED}": asyncio.Event(), f"DATA {LEFT}": asyncio.Event()}
        await enqueue(client, CLAIMING, NAMED, LEFT)
        async with client.database.connection() as connection:
            claiming = await connection.fetchval("select id from emails where addresses[1] = $1", CLAIMING)
        async with locked(client, "emails", [claiming]):
            first = await worker("actors", **variables(server, grace=0))
            on_their_way = {CLAIMING: "queued", NAMED: "sending", LEFT: "sending"}
            await wait_for(partial(are, client, on_their_way), what="the claims")
            await wait_for(lambda: copies(server) == {LEFT: 1}, what="the mail at the server")
            first.send_signal(signal.SIGTERM)
            await first.ended()
        assert await statuses(client) == {CLAIMING: "queued", NAMED: "queued", LEFT: "unknown"}

        for hold in server.holds.values():
            hold.set()
        await scheduler(**variables(server, grace=0))
        await worker("actors", **variables(server, grace=0))
        await wait_for(partial(all_ended, client), what="the end of all jobs")
        assert await statuses(client) == {CLAIMING: "sent", NAMED: "sent", LEFT: "unknown"}
        assert copies(server) == {CLAIMING: 1, NAMED: 1, LEFT: 1}


async def test_a_send_ends_within_the_grace(client: Client, worker: StartProcess) -> None:
    """Given a mail on its way, when the worker is told to stop, then it waits for the server's word and writes it."""
    async with postman() as server:
        server.holds |= {f"RCPT {NAMED}": asyncio.Event()}
        await enqueue(client, NAMED)
        running = await worker("actors", **variables(server, grace=60))
        await wait_for(partial(are, client, {NAMED: "sending"}), what="the claim")
        running.send_signal(signal.SIGTERM)
        await running.says("Stopping worker process")
        server.holds[f"RCPT {NAMED}"].set()
        assert await running.ended() == 0
        assert await statuses(client) == {NAMED: "sent"}
        assert copies(server) == {NAMED: 1}
