"""`health_check`: what is wrong is found, written down, and told to people once for each change."""

import asyncio
from typing import Any

import pytest

from actors.health import Findings, health_check, judge_queues
from db import health
from runtime.client import Client
from scheduling.health import HealthAlerts, tell
from scheduling.leader import Leader
from settings import Settings
from tests.conftest import StartProcess
from tests.runtime.observing import ended, enqueue, fetch, value


async def check(client: Client) -> Any:
    return (await ended(client, await enqueue(client, health_check))).result


async def record(client: Client, status: str, *reasons: str) -> str | None:
    """A check that found so. Returns the status before, if it was another."""
    listed = "[" + ", ".join(f'"{reason}"' for reason in reasons) + "]"
    [row] = await fetch(client, health.RECORD, status, listed, "{}")
    previous: str | None = row["previous"]
    return previous


async def told(client: Client) -> list[str]:
    """The titles of the alerts that are sent when people are told all that there is to tell."""
    before = {row["title"] for row in await fetch(client, "select title from alerts")}
    while True:
        async with client.session() as session:
            more = await tell(session)
            await session.commit()
        if not more:
            break
    rows = await fetch(client, "select title from alerts order by sent_at")
    return [row["title"] for row in rows if row["title"] not in before]


async def test_a_check_finds_what_is_wrong_and_that_it_is_right_again(client: Client, worker: StartProcess) -> None:
    """Given a worker and nobody who leads the scheduling, when health is checked, then it is critical and says so; and
    once somebody leads, and a job has been due for ten minutes in a queue without workers, it says that."""
    await worker("actors", HEALTH_LATENCY="60")
    found = await check(client)
    assert found["status"] == "critical"
    assert found["reasons"][0].startswith("No scheduler leads")
    assert found["measures"]["workers"] == 1
    assert {"postgresql_latency", "redis_latency", "connections", "redis_memory"} <= found["measures"].keys()

    leader = Leader(client.database, 60.0)
    await leader.run_once()
    assert (await check(client))["status"] == "healthy"
    assert (await check(client))["status"] == "healthy"

    await fetch(
        client,
        "insert into jobs (id, actor, queue, args, kwargs, state, run_at)"
        " values (gen_random_uuid(), 'a', 'lonely', '[]', '{}', 'queued', now() - interval '10 minutes')",
    )
    found = await check(client)
    assert found["status"] == "critical"
    assert "'lonely' has been due for 6" in found["reasons"][0]
    assert "no worker takes any" in found["reasons"][0]
    rows = await fetch(client, "select status, previous from health_checks order by id")
    assert [tuple(row) for row in rows] == [
        ("critical", "healthy"), ("healthy", None), ("healthy", "critical"), ("critical", "healthy"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("oldest", "paused", "served", "status"),
    [
        (None, None, True, "healthy"),
        (299.0, None, True, "healthy"),
        (301.0, None, True, "warning"),
        (1801.0, None, True, "critical"),
        (301.0, None, False, "critical"),
        (9999.0, "since", False, "healthy"),  # somebody wants it to wait
    ],
)
def test_queues_are_judged_by_how_long_their_first_job_waits(
    oldest: float | None, paused: str | None, served: bool, status: str
) -> None:
    findings = Findings()
    queue = {"name": "q", "oldest": oldest, "paused_at": paused}
    judge_queues([queue], {"q"} if served else set(), findings, Settings())
    assert findings.status == status


async def test_people_are_told_once_for_each_change(client: Client) -> None:
    """Given checks of three minutes that change twice, when people are told, by two at once, then there are two alerts,
    and none more for as long as nothing changes."""
    assert await record(client, "healthy") is None
    assert await record(client, "critical", "No scheduler leads.") == "healthy"
    assert await record(client, "critical", "No scheduler leads.") is None
    await asyncio.gather(told(client), told(client))
    assert await value(client, "select count(*) from alerts") == 1
    assert await told(client) == []
    assert await record(client, "healthy") is None
    assert await record(client, "healthy") == "critical"
    assert await told(client) == ["Health: healthy, was critical"]
    rows = await fetch(client, "select level from alerts order by sent_at")
    assert [row["level"] for row in rows] == ["critical", "info"]


async def test_a_value_about_its_threshold_is_no_news(client: Client) -> None:
    """Given checks whose findings change each minute, then people are told of what two in a row agree on, and at once
    of what is critical; and what they were told is what they are told was before."""
    findings = ["warning", "healthy", "warning", "healthy", "warning", "warning", "critical", "healthy", "critical",
                "warning", "critical", "healthy", "warning", "healthy", "healthy"]  # fmt: skip
    changes = [(status, before) for status in findings if (before := await record(client, status))]
    assert changes == [("warning", "healthy"), ("critical", "warning"), ("healthy", "critical")]
    assert await told(client) == [f"Health: {status}, was {before}" for status, before in changes]


async def test_checks_that_stop_coming_are_noticed_by_the_leader(client: Client) -> None:
    """Given a last check of ten minutes ago, when the leader looks, then there is one critical row that says so, and
    people are told; where there never was one, nobody wants them."""
    leader = Leader(client.database, 60.0)
    await leader.run_once()
    alerts = HealthAlerts(client, leader, silence=300.0)
    await alerts.run_once()
    assert await value(client, "select count(*) from health_checks") == 0

    await record(client, "healthy")
    await fetch(client, "update health_checks set checked_at = now() - interval '10 minutes'")
    await alerts.run_once()
    await alerts.run_once()
    rows = await fetch(client, "select status, previous, reasons::text from health_checks order by id")
    assert [(row["status"], row["previous"]) for row in rows] == [("healthy", None), ("critical", "healthy")]
    assert "The last health check was made at" in rows[1]["reasons"]
    assert await value(client, "select title from alerts") == "Health: critical, was healthy"
