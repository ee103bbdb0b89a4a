"""`sync_domain_users`: the table is what the directory has, never half of it, and never wiped by a mistake."""

import asyncio
from typing import Any

from actors.directory import sync_domain_users
from runtime.client import Client
from services.jobs import Options
from tests.conftest import StartProcess
from tests.directory.conftest import environment_of
from tests.directory.slapd import Directory
from tests.runtime.observing import ended, enqueue_with, fetch, value
from tests.support.waiting import wait_for


async def sync(client: Client, **arguments: Any) -> Any:
    """What the actor returned, or its error's message."""
    job_id = await enqueue_with(client, Options(max_retries=0), sync_domain_users, **arguments)

    async def outcome() -> Any:
        """The job has succeeded with the table's change; its result is written right after."""
        job = await ended(client, job_id)
        return job.result if job.error is None else job.error["message"]

    return await wait_for(outcome, what="the outcome of the sync")


async def known(client: Client) -> dict[str, tuple[str | None, bool]]:
    rows = await fetch(client, "select account_name, mail, enabled from domain_users")
    return {row["account_name"]: (row["mail"], row["enabled"]) for row in rows}


async def test_the_table_becomes_what_the_directory_has(
    client: Client, worker: StartProcess, directory: Directory
) -> None:
    """Given a directory that was synced, when somebody joins, is renamed, is disabled, leaves, then a sync says how
    many were added, changed and removed; who keeps the GUID keeps the row; and who reads meanwhile sees all or all."""
    await worker("actors", **environment_of(directory))
    ada, bob = directory.add("ada", mail="ada@example.com"), directory.add("bob")
    directory.add("cleo")
    directory.add("dora")
    assert await sync(client) == {"added": 4, "changed": 0, "removed": 0, "users": 4}
    assert await sync(client) == {"added": 0, "changed": 0, "removed": 0, "users": 4}

    directory.change("ada", sAMAccountName="ada.king", mail="king@example.com")
    directory.change("bob", userAccountControl="514")
    directory.remove("cleo")
    directory.add("emil")
    watching = asyncio.create_task(watch(client))
    assert await sync(client) == {"added": 1, "changed": 2, "removed": 1, "users": 4}
    watching.cancel()
    counts = (await asyncio.gather(watching, return_exceptions=True))[0]
    assert isinstance(counts, asyncio.CancelledError), counts
    assert await known(client) == {
        "ada.king": ("king@example.com", True), "bob": (None, False), "dora": (None, True), "emil": (None, True),
    }  # fmt: skip
    assert await value(client, "select account_name from domain_users where object_guid = $1", ada) == "ada.king"
    assert await value(client, "select account_name from domain_users where object_guid = $1", bob) == "bob"


async def watch(client: Client) -> None:
    while True:
        assert await value(client, "select count(*) from domain_users") == 4
        await asyncio.sleep(0)


async def test_a_wipe_is_refused(client: Client, worker: StartProcess, directory: Directory) -> None:
    """Given six users that were synced, when the directory has two of them, and then none, then nothing is changed, and
    the job says why; somebody who knows better can accept fewer, but not none."""
    await worker("actors", **environment_of(directory), LDAP_LEAST_SHARE="0.5")
    names = ["ada", "bob", "cleo", "dora", "emil", "fay"]
    for name in names:
        directory.add(name)
    await sync(client)

    directory.remove("cleo", "dora", "emil", "fay")
    assert "2 users where 6 were known, less than LDAP_LEAST_SHARE (0.5)" in await sync(client)
    assert sorted(await known(client)) == names
    assert await sync(client, accept_fewer=True) == {"added": 0, "changed": 0, "removed": 4, "users": 2}

    directory.remove("ada", "bob")
    assert "no user at all; 2 were known, and stay" in await sync(client, accept_fewer=True)
    assert sorted(await known(client)) == ["ada", "bob"]
