"""Schedules that are off for a while."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db import schedules as sql
from db.models import ScheduledJob
from errors import BadArguments, Conflict
from runtime.client import Client
from services import schedules
from services.pauses import Span
from services.schedules import Default, ScheduleSpec, calendar, lists
from services.schedules.store import moment
from settings import Settings
from tests.runtime.observing import fetch, value
from tests.services.test_schedules import ACTOR, create, edit, exported, imported

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def off(client: Client, schedule: uuid.UUID, **span: Any) -> ScheduledJob:
    async with client.session() as session:
        found = await schedules.turn_off(session, schedule, who="grace", reason="a move", span=Span(**span))
        await session.commit()
    return found


async def on(client: Client, schedule: uuid.UUID) -> ScheduledJob:
    async with client.session() as session:
        found = await schedules.set_enabled(session, schedule, True, who="bob", reason="done")
        await session.commit()
    return found


async def get(client: Client, schedule: uuid.UUID) -> ScheduledJob:
    async with client.session() as session:
        return await schedules.get(session, schedule)


async def now(client: Client) -> datetime:
    async with client.session() as session:
        return await moment(session)


async def audit(client: Client) -> list[tuple[str, str, str | None]]:
    rows = await fetch(client, "select * from audit where action <> 'schedule.create' order by id")
    return [(row["who"], row["action"], row["reason"]) for row in rows]


async def test_its_next_run_is_the_first_that_is_not_before_the_end(client: Client) -> None:
    """Given a schedule of five minutes, when it is off until the moment of one of its runs, then that one is the next:
    it stays enabled, at its version, and the code's if it was, and the audit says who, why, and to when."""
    schedule = await create(client)
    end = schedule.anchor_at + timedelta(minutes=50)
    found = await off(client, schedule.id, until=end)
    assert (found.next_run_at, found.off_until, found.off_by, found.off_reason) == (end, end, "grace", "a move")
    assert (found.enabled, found.version, found.updated_by) == (True, 1, "ada")
    assert (await off(client, schedule.id, until=end + timedelta(seconds=1))).next_run_at == end + timedelta(minutes=5)
    assert await audit(client) == [("grace", "schedule.disable", "a move")] * 2
    assert await value(client, "select details ->> 'before' from audit order by id desc limit 1") == end.isoformat()


async def test_for_some_time_is_by_the_databases_clock(client: Client) -> None:
    schedule = await create(client)
    before = await now(client)
    found = await off(client, schedule.id, lasts=HOUR)
    assert found.off_until is not None
    assert before + HOUR <= found.off_until <= await now(client) + HOUR


async def test_a_person_ends_it(client: Client) -> None:
    """Given a schedule that is off for a day, when it is turned on, then it goes on with its next run, once: turning it
    on again does and notes nothing."""
    schedule = await create(client)
    await off(client, schedule.id, lasts=DAY)
    found = await on(client, schedule.id)
    assert (found.next_run_at, found.off_until, found.off_by, found.off_reason) == (
        schedule.next_run_at, None, None, None,
    )  # fmt: skip
    await on(client, schedule.id)
    assert await audit(client) == [("grace", "schedule.disable", "a move"), ("bob", "schedule.enable", "done")]


async def test_it_is_turned_off_with_no_end_instead(client: Client) -> None:
    """Given a schedule that is off for a day, when it is turned off with no end, then it is disabled, who did it and
    why are kept until it is on, and it can be turned off for a while only once it is."""
    schedule = await create(client)
    await off(client, schedule.id, lasts=DAY)
    found = await off(client, schedule.id)
    assert (found.enabled, found.next_run_at, found.off_until, found.version) == (False, None, None, 2)
    assert (found.off_by, found.off_reason) == ("grace", "a move")
    with pytest.raises(Conflict, match="off already, with no end"):
        await off(client, schedule.id, lasts=DAY)
    found = await on(client, schedule.id)
    assert (found.enabled, found.off_by, found.off_reason, found.version) == (True, None, None, 3)


async def test_an_edit_keeps_it(client: Client) -> None:
    """Given a schedule that is off for a day, when anything is edited, then it is off still: new times are planned
    after the end; disabled and enabled by an edit, it is on."""
    schedule = await create(client)
    end = (await off(client, schedule.id, lasts=DAY)).off_until
    assert end is not None
    found = await edit(client, schedule, description="x")
    assert (found.off_until, found.version) == (end, 2)
    assert found.next_run_at is not None
    assert end <= found.next_run_at < end + timedelta(minutes=5)
    found = await edit(client, schedule, schedule_config={"seconds": 10})
    assert found.off_until == end
    assert found.next_run_at is not None
    assert end <= found.next_run_at < end + timedelta(seconds=10)
    await edit(client, schedule, enabled=False)
    found = await edit(client, schedule, enabled=True)
    assert (found.off_until, found.off_by) == (None, None)
    assert found.next_run_at is not None
    assert found.next_run_at < end


async def test_files_and_versions_know_nothing_of_it(client: Client) -> None:
    """Given a schedule that is off for a day, then it is exported as what it is, the same file changes nothing, one
    that differs is imported into it, and a version restored: it is off all the while."""
    schedule = await create(client)
    text = await exported(client)
    end = (await off(client, schedule.id, lasts=DAY)).off_until
    assert await exported(client) == text
    assert (await imported(client, text)).unchanged == ["Tick"]
    assert (await imported(client, text.replace("minutes: 5", "minutes: 6"))).changed == ["Tick"]
    async with client.session() as session:
        first = (await schedules.versions(session, schedule.id))[-1]
        await schedules.replace(session, schedule.id, ScheduleSpec.parse(first.document), who="ada")
        await session.commit()
    found = await get(client, schedule.id)
    assert (found.version, found.off_until, found.schedule_config) == (3, end, {"minutes": 5})
    assert found.next_run_at is not None
    assert end is not None
    assert found.next_run_at >= end


async def test_what_the_code_declares_stays_the_codes(client: Client, settings: Settings) -> None:
    """Given a schedule that the code keeps, when it is off for a day and newer code declares it otherwise, then it is
    as that says, and off; turned off with no end it stays as it was left."""

    async def seeded(minutes: int) -> ScheduledJob:
        default = Default("Tick", "", ACTOR, "interval", {"minutes": minutes}, {"value": 1})
        async with client.session() as session:
            await schedules.seed(session, [default], settings)
            await session.commit()
            return await schedules.find(session, "Tick")

    schedule = await seeded(5)
    end = (await off(client, schedule.id, lasts=DAY)).off_until
    found = await seeded(6)
    assert (found.managed_by, found.schedule_config, found.off_until) == ("code", {"minutes": 6}, end)
    await off(client, schedule.id)
    found = await seeded(7)
    assert (found.managed_by, found.schedule_config, found.enabled) == ("person", {"minutes": 6}, False)


@pytest.mark.parametrize(
    ("fields", "span", "said"),
    [
        ({}, {"until": datetime(2001, 1, 1, tzinfo=UTC)}, "over already"),
        ({}, {"until": datetime(9999, 12, 31, tzinfo=UTC)}, "too far"),
        ({"job_type": "date", "schedule_config": {"run_at": "2190-01-01T09:00"}},
         {"until": datetime(2191, 1, 1, tzinfo=UTC)}, "no run after this moment"),
        ({"end_at": "2190-01-01T09:00Z"}, {"until": datetime(2191, 1, 1, tzinfo=UTC)}, "no run after this moment"),
    ],
)  # fmt: skip
async def test_a_moment_that_makes_no_sense_is_refused(
    client: Client, fields: dict[str, Any], span: dict[str, Any], said: str
) -> None:
    schedule = await create(client, **fields)
    with pytest.raises(BadArguments, match=said) as refused:
        await off(client, schedule.id, **span)
    assert refused.value.path == "until"
    found = await get(client, schedule.id)
    assert (found.off_until, found.next_run_at) == (None, schedule.next_run_at)
    assert await audit(client) == []


async def test_one_that_makes_no_run_any_more_is_refused(client: Client) -> None:
    schedule = await create(client)
    await fetch(client, "update scheduled_jobs set next_run_at = null")
    with pytest.raises(Conflict, match="no run any more"):
        await off(client, schedule.id, lasts=DAY)


async def test_once_it_is_over_it_is_on_whoever_looks(client: Client) -> None:
    """Given that nobody has written down yet that its while is over, then it counts as on: the list has it there, and
    turning it on leaves the run that is due. Written down, it has a row in the audit, once."""
    schedule = await create(client)
    await off(client, schedule.id, lasts=DAY)
    async with client.session() as session:
        assert [one.name for one in await lists.page(session, show="disabled")] == ["Tick"]
        assert await lists.page(session, show="enabled") == []
    await fetch(
        client, "update scheduled_jobs set off_until = now() - interval '1 min', next_run_at = now() - interval '1 s'"
    )
    due = (await get(client, schedule.id)).next_run_at
    async with client.session() as session:
        assert [one.name for one in await lists.page(session, show="enabled")] == ["Tick"]
        assert await lists.page(session, show="disabled") == []
    assert (await on(client, schedule.id)).next_run_at == due
    async with client.database.connection() as connection:
        assert [row["name"] for row in await connection.fetch(sql.GO_ON)] == ["Tick"]
        assert await connection.fetch(sql.GO_ON) == []
    found = await get(client, schedule.id)
    assert (found.off_until, found.off_by, found.next_run_at) == (None, None, due)
    assert (await audit(client))[1:] == [("scheduling", "schedule.enable", "it was off until now")]


@pytest.mark.parametrize("kind", ["cron", "interval", "combination"])
async def test_the_week_ahead_has_none_before_the_end(client: Client, kind: str) -> None:
    """Given a schedule of ten minutes that is off for two hours and a half, then the hours before have no runs, and
    that in which it goes on has those of its second half."""
    config: dict[str, dict[str, Any]] = {
        "cron": {"expression": "*/10 * * * *"}, "interval": {"minutes": 10},
        "combination": {"any": [{"type": "cron", "expression": "*/10 * * * *"}]},
    }  # fmt: skip
    begin = (await now(client)).replace(minute=0, second=0, microsecond=0) + HOUR
    schedule = await create(client, job_type=kind, schedule_config=config[kind], start_at=begin)
    await off(client, schedule.id, until=begin + timedelta(hours=2, minutes=30))
    async with client.session() as session:
        week = await calendar.week(session, begin)
    assert [hour.runs for hour in week.hours[:5]] == [0, 0, 3, 6, 6]
    await on(client, schedule.id)
    async with client.session() as session:
        assert [hour.runs for hour in (await calendar.week(session, begin)).hours[:3]] == [6, 6, 6]
