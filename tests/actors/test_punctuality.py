"""Runs that periodiq's clock has planned: once each, late ones by their actor's policy, all in the history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import MiddlewareError

import actors
from runtime import cron
from runtime.client import Client
from runtime.periodic import schedule_id_of
from services import schedules
from tests.conftest import StartProcess
from tests.runtime.observing import fetch, nothing_left, put_message, value
from tests.support.waiting import wait_for

MODULE = "tests.actors.punctual_actors"
QUEUE = "stage-punctual"


async def plan(
    client: Client, actor: str, *minutes_ago: int, now: datetime | None = None, zone: timedelta = timedelta()
) -> None:
    """What a clock sends for these minutes."""
    for minutes in minutes_ago:
        moment = (now or datetime.now(UTC)) - timedelta(minutes=minutes)
        planned = moment.replace(second=0, microsecond=0) + zone
        text = planned.isoformat().replace("+00:00", f"+{zone.seconds // 3600:02}:00")
        await put_message(client, QUEUE, actor, options={"scheduled_at": text})


async def history(client: Client, actor: str) -> list[tuple[str, bool]]:
    """Status, and whether there is a reason, earliest first."""
    async with client.session() as session:
        found = await schedules.executions(session, schedule_id=schedule_id_of(actor))
    return [(execution.status, bool(execution.reason)) for execution in found[::-1]]


async def all_done(client: Client) -> None:
    await nothing_left(client, QUEUE)

    async def ended() -> bool:
        return bool(await value(client, "select bool_and(outcome is not null) from jobs"))

    await wait_for(ended)


async def test_runs_that_found_no_worker_follow_their_policy(client: Client, worker: StartProcess) -> None:
    """Given runs planned 30, 20 and 10 minutes ago, when a worker comes at last, then one actor runs none, one the
    latest for all, one each; and each planned time is in the history."""
    for actor in ("punctual_skip", "punctual_once", "punctual_all"):
        await plan(client, actor, 30, 20, 10)
    await worker(MODULE)
    await all_done(client)
    assert await history(client, "punctual_skip") == [("skipped", True)] * 3
    assert await history(client, "punctual_once") == [("skipped", True), ("skipped", True), ("succeeded", False)]
    assert await history(client, "punctual_all") == [("succeeded", False)] * 3


async def test_two_clocks_make_one_run_and_one_row_of_history(client: Client, worker: StartProcess) -> None:
    """Given the same minute sent by two clocks in different time zones, then it is run once."""
    now = datetime.now(UTC)
    await plan(client, "punctual_all", 3, now=now)
    await plan(client, "punctual_all", 3, now=now, zone=timedelta(hours=2))
    await worker(MODULE)
    await all_done(client)
    assert await history(client, "punctual_all") == [("succeeded", False)]
    assert await value(client, "select count(*) from jobs") == 1


async def test_a_retry_is_no_late_run(client: Client, worker: StartProcess, scheduler: StartProcess) -> None:
    """Given an actor that runs nothing late, when its run fails, then it is tried again."""
    await scheduler()
    await worker(MODULE)
    await plan(client, "punctual_fails_once", 1)
    await all_done(client)
    (job,) = await fetch(client, "select state, attempt from jobs")
    assert tuple(job) == ("succeeded", 2)
    assert await history(client, "punctual_fails_once") == [("succeeded", False)]


@pytest.mark.parametrize("options", [{"misfire": "later"}, {"misfire_grace": -1}, {"misfire_grace": "5 s"}])
def test_a_policy_that_is_none_is_refused_as_the_actor_is_declared(options: dict[str, Any]) -> None:
    with pytest.raises(MiddlewareError, match="of punctual_wrong"):
        dramatiq.actor(actor_name="punctual_wrong", broker=actors.broker, periodic=cron("@daily"), **options)(print)
    assert "punctual_wrong" not in actors.broker.actors
