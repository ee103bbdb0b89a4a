"""Tests of `callboard users …` and `callboard keys …`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from db.database import Database
from services import callers, users
from settings import Settings
from tests.cli.callboard import callboard

KEY = re.compile(r"cb_[a-z0-9]{10}_[\w-]{43}")
HERE = "192.0.2.7"  # where a key is shown from
PASSWORD = "a horse, a battery, a staple"


async def done(*arguments: str, typed: str = "") -> str:
    """What it printed, having ended well."""
    finished = await callboard(*arguments, given=typed)
    assert finished.code == 0, finished.err
    return finished.out


async def audited(settings: Settings) -> list[tuple[str, str]]:
    connection = await asyncpg.connect("postgresql://" + settings.postgres.split("://")[1])
    try:
        rows = await connection.fetch("select who, action, target, details::text from audit order by id")
    finally:
        await connection.close()
    assert all(row["who"].startswith("cli:") for row in rows)
    assert PASSWORD not in str(rows)
    return [(row["action"], row["target"]) for row in rows]


async def test_a_key_is_printed_alone_works_and_ends(settings: Settings) -> None:
    database = Database(settings)
    try:
        # When a key is made, then it alone is printed, and it opens
        made = await done("keys", "create", "ci", "--scopes", "admin")
        key = made.strip()
        assert made == f"{key}\n"
        assert KEY.fullmatch(key)
        caller = await callers.by_key(database, key, HERE)
        assert caller is not None
        assert (caller.name, caller.scopes) == ("key:ci", frozenset(callers.SCOPES))

        # When it is listed, then without its secret
        (listed,) = json.loads(await done("keys", "list", "--json"))
        assert (listed["name"], listed["prefix"], listed["scopes"]) == ("ci", key.split("_")[1], ["admin"])
        assert listed["last_used_at"] is not None
        for shown in (await done("keys", "list"), json.dumps(listed)):
            assert key[14:] not in shown

        # When it is rotated with a grace, then both open; when it is rotated again, then only the newest
        second = (await done("keys", "rotate", "ci", "--grace", "1h")).strip()
        assert await callers.by_key(database, key, HERE)
        assert await callers.by_key(database, second, HERE)
        third = (await done("keys", "rotate", "ci")).strip()
        assert await callers.by_key(database, key, HERE) is None
        assert await callers.by_key(database, second, HERE) is None
        assert await callers.by_key(database, third, HERE)

        # When it is revoked, then it opens nothing, and cannot come back
        assert "Revoke the key ci, for good?" in (await callboard("keys", "revoke", "ci", given="n\n")).err
        assert await callers.by_key(database, third, HERE)
        assert json.loads(await done("keys", "revoke", "ci", "--yes", "--json"))["revoked_at"]
        assert await callers.by_key(database, third, HERE) is None
        assert (await callboard("keys", "rotate", "ci")).code == 4

        # And a key that has expired opens nothing
        short = await done(
            "keys", "create", "short", "--scopes", "read,enqueue", "--queues", "a,b", "--expires-in", "1h"
        )
        found = await callers.by_key(database, short.strip(), HERE)
        assert found is not None
        assert (found.queues, found.sees_all) == (frozenset("ab"), False)
        async with database.connection() as connection:
            await connection.execute("update api_keys set expires_at = now() where name = 'short'")
        assert await callers.by_key(database, short.strip(), HERE) is None

        # And one for some networks opens from there only, with its next secret too
        bound = ("--network", "192.0.2.0/24", "--network", "2001:db8::/32")
        first = json.loads(await done("keys", "create", "bound", *bound, "--json"))
        assert first["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
        then = (await done("keys", "rotate", "bound")).strip()
        assert await callers.by_key(database, then, HERE)
        assert await callers.by_key(database, then, "2001:db8::7")
        assert await callers.by_key(database, then, "198.51.100.7") is None
        assert json.loads(await done("keys", "list", "--json"))[0]["networks"] == first["networks"]
        assert "192.0.2" in await done("keys", "list")
    finally:
        await database.close()
    assert await audited(settings) == [
        ("key.create", "ci"), ("key.rotate", "ci"), ("key.rotate", "ci"), ("key.revoke", "ci"), ("key.create", "short"),
        ("key.create", "bound"), ("key.rotate", "bound"),
    ]  # fmt: skip


async def test_users_are_made_changed_and_shut_out(settings: Settings) -> None:
    # When
    await done("users", "create", "Ada", "--role", "admin", typed=f"{PASSWORD}\n")
    made = await done("users", "create", "grace", "--generate")
    assert len(made.strip()) == 22
    assert json.loads(await done("users", "set-role", "grace", "operator", "--json"))["role"] == "operator"
    await done("users", "set-password", "grace", typed="another long password\n")
    assert json.loads(await done("users", "disable", "grace", "--json"))["disabled_at"]

    # Then
    listed = {user["name"]: user for user in json.loads(await done("users", "list", "--json"))}
    assert (listed["ada"]["role"], listed["ada"]["disabled_at"]) == ("admin", None)
    assert listed["grace"]["role"] == "operator"
    assert listed["grace"]["disabled_at"]
    await done("users", "enable", "grace")
    assert "0 sessions" in await done("users", "sign-out", "grace")
    assert "operator" in await done("users", "list")

    # And nobody can shut the door on everybody
    for arguments in (("disable", "ada"), ("set-role", "ada", "viewer")):
        refused = await callboard("users", *arguments)
        assert refused.code == 4
        assert "last administrator" in refused.err
    assert [action for action, _ in await audited(settings)] == [
        "user.create", "user.create", "user.set_role", "user.set_password", "user.disable", "user.enable",
        "user.sign_out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("users", "create", "ada", "--role", "king"), 1, "Roles: viewer, operator, admin"),
        (("users", "create", "a b"), 1, "A user's name has"),
        (("users", "create", "key:ci"), 1, "A user's name has"),
        (("users", "create", "ada"), 1, "A password has between 12 and 256 characters"),
        (("users", "set-role", "nobody", "admin"), 3, "There is no user 'nobody'"),
        (("keys", "create", "ci", "--scopes", "all"), 1, "Scopes: read, enqueue, operate, admin, metrics"),
        (("keys", "create", "ci", "--scopes", ""), 1, "A key needs a scope"),
        (("keys", "create", "c/i"), 1, "A key's name has"),
        (("keys", "create", "ci", "--expires-in", "soon"), 1, "Write a number and s, m, h, d or w"),
        (("keys", "create", "ci", "--queues", ","), 1, "Name between 1 and 100 queues"),
        (("keys", "create", "ci", "--network", "10.0.0.7/8"), 1, "Write the network: 10.0.0.0/8"),
        (("keys", "create", "ci", "--network", ""), 1, "'' is no network"),
        (("keys", "revoke", "nobody"), 3, "There is no key 'nobody'"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(
    settings: Settings, arguments: tuple[str, ...], code: int, says: str
) -> None:
    refused = await callboard(*arguments, given="short\n")
    assert (refused.code, refused.out) == (code, "")
    assert says in refused.err
    assert "Traceback" not in refused.err
    assert await audited(settings) == []


async def test_two_administrators_cannot_shut_each_other_out(settings: Settings) -> None:
    database = Database(settings)
    try:
        async with database.session() as session:
            for name in ("ada", "grace"):
                await users.create(session, "tests", name, "admin", None)
            await session.commit()

        # Given two who are about to disable each other, one of them a moment earlier
        async with database.session() as first:
            await users.disable(first, "ada", "grace")
            second = callboard_in_background("users", "disable", "ada")
            await first.commit()

        # Then one of them stays
        assert second.wait(60) == 4
    finally:
        await database.close()


def callboard_in_background(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([Path(sys.executable).with_name("callboard"), *arguments], stderr=subprocess.DEVNULL)
