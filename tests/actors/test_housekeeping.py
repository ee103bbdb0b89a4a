"""The housekeeping that comes with us does its work on real rows, and its schedules are made as they are declared."""

from datetime import timedelta
from typing import Any

import pytest

from actors.cleanup import (
    cleanup_completed_jobs,
    cleanup_expired_tokens,
    cleanup_stale_deployment_jobs,
    cleanup_stale_desktop_sessions,
)
from db import housekeeping
from db.models import ScheduledJob
from runtime.client import Client
from scheduling.defaults import DEFAULTS
from services import schedules
from settings import Settings
from tests.conftest import StartProcess
from tests.runtime.observing import ended, enqueue, fetch, value
from tests.support.waiting import wait_for

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def token(client: Client, name: str, expired: timedelta, revoked: timedelta | None = None) -> None:
    """A token that expired, and was revoked, so long ago."""
    await fetch(
        client,
        "insert into access_tokens (id, token_hash, user_name, expires_at, revoked_at)"
        " values (gen_random_uuid(), sha256($1::text::bytea), $1, now() - $2::interval, now() - $3::interval)",
        name, expired, revoked,
    )  # fmt: skip


async def desktop(client: Client, host: str, silent: timedelta) -> None:
    await fetch(
        client,
        "insert into desktop_sessions (id, user_name, host, last_seen_at)"
        " values (gen_random_uuid(), 'ada', $1, now() - $2::interval)",
        host, silent,
    )  # fmt: skip


async def deployment(client: Client, name: str, status: str, silent: timedelta) -> None:
    await fetch(
        client,
        "insert into deployment_jobs (id, name, status, started_at, updated_at, finished_at)"
        " values (gen_random_uuid(), $1, $2::text, case when $2 <> 'pending' then now() end, now() - $3::interval,"
        " case when $2 = 'succeeded' then now() end)",
        name, status, silent,
    )  # fmt: skip


async def test_what_is_past_its_time_is_dealt_with_and_nothing_else(client: Client, worker: StartProcess) -> None:
    """Given tokens, desktop sessions and deployments just within and just past their time, when each actor has run,
    then those past it are deleted, inactive with a reason, failed with a reason; and the others are as they were."""
    await worker("actors", DEPLOYMENT_TIMEOUT="300", DEPLOYMENT_START_TIMEOUT="3600")
    await token(client, "expired", expired=7.1 * DAY)
    await token(client, "revoked", expired=-DAY, revoked=7.1 * DAY)
    await token(client, "just expired", expired=6.9 * DAY)
    await token(client, "just revoked", expired=-DAY, revoked=6.9 * DAY)
    await token(client, "valid", expired=-DAY)
    await desktop(client, "gone", 2.5 * MINUTE)
    await desktop(client, "here", 0.5 * MINUTE)
    await deployment(client, "hangs", "running", 6 * MINUTE)
    await deployment(client, "works", "running", MINUTE)
    await deployment(client, "forgotten", "pending", 61 * MINUTE)
    await deployment(client, "waits", "pending", 6 * MINUTE)
    await deployment(client, "done", "succeeded", 90 * MINUTE)

    jobs = [
        await enqueue(client, cleanup_expired_tokens, retention_days=7),
        await enqueue(client, cleanup_stale_desktop_sessions, timeout_minutes=2),
        await enqueue(client, cleanup_stale_deployment_jobs),
    ]
    results = [(await ended(client, job)).result for job in jobs]

    assert results == [2, 1, {"pending": 1, "running": 1}]
    left = await fetch(client, "select user_name from access_tokens order by user_name")
    assert [row["user_name"] for row in left] == ["just expired", "just revoked", "valid"]
    sessions = await fetch(client, "select host, status, ended_at is not null as ended, ended_reason from"
                                   " desktop_sessions order by host")  # fmt: skip
    assert [(row["host"], row["status"], row["ended"]) for row in sessions] == [
        ("gone", "inactive", True), ("here", "active", False),
    ]  # fmt: skip
    assert sessions[0]["ended_reason"].startswith("Nothing was heard of it since ")
    deployments = await fetch(client, "select name, status, reason from deployment_jobs order by name")
    assert {row["name"]: row["status"] for row in deployments} == {
        "hangs": "failed", "works": "running", "forgotten": "failed", "waits": "pending", "done": "succeeded",
    }  # fmt: skip
    reasons = {row["name"]: row["reason"] for row in deployments if row["reason"]}
    assert reasons["hangs"].startswith("It was started, and nothing was heard")
    assert reasons["forgotten"].startswith("It was not started")


async def test_a_session_that_says_something_meanwhile_stays(client: Client) -> None:
    """Given a stale session whose row is held by a transaction that says it is there, when stale ones are ended, then
    it is passed over."""
    await desktop(client, "late", 3 * MINUTE)
    async with client.database.connection() as desk, client.database.connection() as cleaner:
        async with desk.transaction():
            await desk.execute("update desktop_sessions set last_seen_at = now()")
            assert await cleaner.execute(housekeeping.END_SESSIONS, 120.0, 100) == "UPDATE 0"
        assert await cleaner.execute(housekeeping.END_SESSIONS, 120.0, 100) == "UPDATE 0"


@pytest.mark.parametrize("actor", [cleanup_expired_tokens, cleanup_completed_jobs], ids=lambda actor: actor.actor_name)
@pytest.mark.parametrize("days", [0.0, -1.0])
async def test_a_time_that_would_take_what_is_in_use_is_refused(
    client: Client, worker: StartProcess, actor: Any, days: float
) -> None:
    await token(client, "just expired", expired=MINUTE)
    await worker("actors")
    job = await enqueue(client, actor, retention_days=days)

    async def refused() -> Any:
        return await value(client, "select error->>'message' from jobs where id = $1", job)

    assert "retention_days" in await wait_for(refused, what="the refusal")
    assert await value(client, "select count(*) from access_tokens") == 1


async def test_the_schedules_are_made_once_as_they_are_declared(
    client: Client, settings: Settings, scheduler: StartProcess
) -> None:
    """Given a scheduler with no LDAP_URL, when it leads, and what it declares is seeded again, then the four schedules
    are there once, the directory's disabled; and with LDAP_URL it is enabled."""
    await scheduler(SEED_SCHEDULES="true")

    async def seeded() -> bool:
        names = [default.name for default in DEFAULTS]
        return bool(await value(client, "select count(*) from scheduled_jobs where name = any($1)", names) == 4)

    await wait_for(seeded, what="the defaults")
    await seed(client, settings)
    assert await listed(client) == {
        "Domain User Sync (Hourly)": ("sync_domain_users", {"hours": 1}, {}, False),
        "Token Cleanup (Daily)": ("cleanup_expired_tokens", {"hours": 24}, {"retention_days": 7}, True),
        "Desktop Session Cleanup (Every Minute)": (
            "cleanup_stale_desktop_sessions", {"minutes": 1}, {"timeout_minutes": 2}, True,
        ),
        "Deployment Job Cleanup (30s)": ("cleanup_stale_deployment_jobs", {"seconds": 30}, {}, True),
    }  # fmt: skip
    await seed(client, settings.model_copy(update={"ldap_url": "ldap://127.0.0.1"}))
    assert (await listed(client))["Domain User Sync (Hourly)"][3] is True


async def seed(client: Client, settings: Settings) -> None:
    async with client.session() as session:
        await schedules.seed(session, DEFAULTS, settings)
        await session.commit()


async def listed(client: Client) -> dict[str, tuple[str, Any, Any, bool]]:
    async with client.session() as session:
        found: list[ScheduledJob] = [await schedules.find(session, default.name) for default in DEFAULTS]
        return {each.name: (each.task_function, each.schedule_config, each.task_args, each.enabled) for each in found}
