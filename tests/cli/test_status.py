"""`callboard status`."""

import json
from typing import Any

from runtime.client import Client
from services import actors, queues
from settings import Settings
from tests.cli.callboard import callboard, callboard_process
from tests.conftest import StartProcess
from tests.support.databases import create_database, drop_database
from tests.web.pages import rows


async def _findings(code: int) -> dict[str, list[dict[str, Any]]]:
    """By what was looked at."""
    done = await callboard("status", "--json")
    assert (done.code, done.err) == (code, "")
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.out)["findings"]:
        found.setdefault(one["what"], []).append(one)
    return found


async def test_what_stands_still_is_named_with_what_helps(client: Client) -> None:
    """Given no scheduler, no worker and no clock, jobs that are due, one queue and one actor paused, then each of these
    is named with the command that helps, and the exit code says so."""
    await rows.live(client, 3, queue="night mails", due=20)
    async with client.session() as session:
        await queues.pause(session, "email", who="ana", reason="the provider is down")
        await actors.pause(session, "send_email", who="bea", reason="a bug")
        await session.commit()

    found = await _findings(1)
    assert [one["level"] for one in found["PostgreSQL"] + found["tables"] + found["Redis"]] == ["ok"] * 3
    for what, level, advice in (
        ("scheduler", "bad", "python -m scheduling"), ("workers", "bad", "dramatiq actors"),
        ("health", "warning", "periodiq actors"), ("actor", "warning", "callboard actors resume send_email"),
    ):  # fmt: skip
        [one] = found[what]
        assert (one["level"], advice in one["advice"]) == (level, True), one
    nobody, paused = found["queue"]
    assert (nobody["level"], "night mails: 3 due" in nobody["said"]) == ("bad", True)
    assert paused["said"] == "email is paused by ana: the provider is down"
    shown = await callboard("status")
    assert shown.code == 1
    assert "→ callboard queues resume email" in shown.out


async def test_where_all_is_well_there_is_no_advice(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a scheduler that leads and a worker, then nothing is bad, and no advice is given but for the clock."""
    await scheduler()
    await worker("tests.runtime.some_actors")
    found = await _findings(0)
    assert found.pop("health")[0]["level"] == "warning"
    assert {(one["level"], one["advice"]) for listed in found.values() for one in listed} == {("ok", "")}
    assert "1 live, 0 of" in found["workers"][0]["said"]


async def test_many_failures_are_named(client: Client) -> None:
    """Given an hour in which a fifth of the jobs failed, then this is a warning; given a twentieth, it is not."""
    await rows.counted(client, "send_email", "email", 2, 5)
    await rows.counted(client, "send_email", "email", 1, 20)
    [one] = (await _findings(1))["failed"]
    assert (one["level"], one["said"]) == ("warning", "5 of 25 jobs that ended within an hour")
    await rows.counted(client, "resize_image", "images", 1, 75)
    assert [one["level"] for one in (await _findings(1))["failed"]] == ["ok"]


async def test_without_tables_nothing_else_is_looked_at(settings: Settings) -> None:
    url = await create_database(str(settings.database_url))
    try:
        done = await callboard_process("status", "--json", DATABASE_URL=url)
    finally:
        await drop_database(url)
    assert done.code == 1, done.err
    *_, tables, redis = json.loads(done.out)["findings"]
    assert (tables["level"], tables["advice"], redis["level"]) == ("bad", "callboard migrate", "ok")


async def test_the_rest_is_known_while_redis_is_away(client: Client) -> None:
    done = await callboard_process("status", "--json", REDIS_URL="redis://127.0.0.1:1/0")
    levels = {one["what"]: one["level"] for one in json.loads(done.out)["findings"]}
    assert (done.code, levels["Redis"], levels["jobs"]) == (1, "bad", "ok"), done.err


async def test_a_database_that_is_away_is_said() -> None:
    done = await callboard_process("status", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.code == 6
    assert "A server could not be used" in done.err
