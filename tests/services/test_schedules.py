"""Schedules as callers make and change them: refused at the edge, versioned, audited, as YAML, as defaults."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from db.models import ScheduledJob
from errors import BadArguments, Conflict, NotFound
from runtime import catalogue
from runtime.client import Client
from runtime.transport import SCHEDULES
from services import schedules
from services.jobs import enqueue_at, enqueue_in
from services.schedules import Default, ScheduleSpec
from services.schedules.store import moment
from settings import Settings
from tests.runtime.observing import fetch, value
from tests.runtime.some_actors import broker, job_of

ACTOR = job_of("async", "echo").actor_name
FIELDS: dict[str, Any] = {
    "name": "Tick", "task_function": ACTOR, "job_type": "interval", "schedule_config": {"minutes": 5},
    "task_args": {"value": 1},
}  # fmt: skip


async def create(client: Client, **fields: Any) -> ScheduledJob:
    async with client.session() as session:
        schedule = await schedules.create(session, ScheduleSpec.parse(FIELDS | fields), who="ada")
        await session.commit()
    return schedule


async def edit(client: Client, schedule: ScheduledJob, version: int | None = None, **changes: Any) -> ScheduledJob:
    async with client.session() as session:
        changed = await schedules.edit(session, schedule.id, changes, who="grace", version=version)
        await session.commit()
    return changed


async def audit(client: Client) -> list[tuple[str, str, str | None]]:
    return [
        (row["who"], row["action"], row["target"]) for row in await fetch(client, "select * from audit order by id")
    ]


async def test_a_schedule_is_planned_at_once(client: Client) -> None:
    schedule = await create(client)
    assert schedule.next_run_at == schedule.anchor_at + timedelta(minutes=5)
    assert (schedule.version, schedule.created_by, schedule.managed_by, schedule.kind) == (1, "ada", "person", "table")
    assert await audit(client) == [("ada", "schedule.create", "Tick")]


async def test_one_that_begins_later_runs_first_when_it_begins(client: Client) -> None:
    schedule = await create(client, start_at="2100-01-01T00:00:00Z")
    assert schedule.next_run_at is not None
    assert schedule.next_run_at.isoformat() == "2100-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"task_function": "nobody"}, "task_function"),
        ({"task_args": {"wrong": 1}}, "task_args"),
        ({"task_args": [1, 2, 3]}, "task_args"),
        ({"task_args": {"value": float("nan")}}, "task_args"),
        ({"task_args": "text"}, "task_args"),
        ({"job_type": "hourly"}, "job_type"),
        ({"job_type": "cron", "schedule_config": {"expression": "0 0 31 2 *"}}, "schedule_config.expression"),
        ({"schedule_config": {"seconds": 0}}, "schedule_config"),
        ({"schedule_config": {"seconds": 10**400}}, "schedule_config.seconds"),
        ({"job_type": "date", "schedule_config": {"run_at": "2020-01-01"}}, "schedule_config"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"start_at": "2030-01-02T00:00Z", "end_at": "2030-01-01T00:00Z"}, "end_at"),
        ({"end_at": "2001-01-01T00:00Z"}, "schedule_config"),
        ({"start_at": "2030-01-02T00:00"}, "start_at"),
        ({"queue": "nowhere"}, "queue"),
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"misfire": "maybe"}, "misfire"),
        ({"overlap": None}, "overlap"),
        ({"repeat": 0}, "repeat"),
        ({"jitter": -1}, "jitter"),
        ({"jitter": float("inf")}, "jitter"),
        ({"priority": 2**15}, "priority"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_bad_input_is_refused_with_its_field_and_nothing_is_written(
    client: Client, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(BadArguments) as refused:
        await create(client, **fields)
    assert refused.value.path == path
    assert path.split(".")[0].split("[")[0] in str(refused.value)
    assert await value(client, "select count(*) from scheduled_jobs") == 0
    assert await audit(client) == []


async def test_names_are_unique(client: Client) -> None:
    await create(client)
    with pytest.raises(Conflict, match="Another schedule is named 'Tick'"):
        await create(client)
    other = await create(client, name="Tock")
    with pytest.raises(Conflict, match="Another schedule"):
        await edit(client, other, name="Tick")


async def test_an_edit_is_a_version_and_says_who(client: Client) -> None:
    """Given an edit of the times, then the next run follows, and the version before is kept."""
    schedule = await create(client)
    changed = await edit(client, schedule, schedule_config={"seconds": 10}, overlap="allow")
    assert changed.next_run_at == changed.anchor_at + timedelta(seconds=10)
    assert (changed.version, changed.updated_by) == (2, "grace")
    async with client.session() as session:
        kept = await schedules.versions(session, schedule.id)
    assert [(v.version, v.change, v.changed_by, v.document["schedule_config"]) for v in kept] == [
        (2, "edit", "grace", {"seconds": 10}), (1, "create", "ada", {"minutes": 5}),
    ]  # fmt: skip
    assert (await audit(client))[1] == ("grace", "schedule.edit", "Tick")


async def test_an_edit_of_anything_else_leaves_the_next_run(client: Client) -> None:
    schedule = await create(client)
    changed = await edit(client, schedule, description="each five minutes", task_args=[2])
    assert changed.next_run_at == schedule.next_run_at


async def test_an_edit_of_nothing_is_no_version(client: Client) -> None:
    schedule = await create(client)
    assert (await edit(client, schedule, overlap="skip")).version == 1


async def test_an_edit_of_a_version_that_is_past_is_refused(client: Client) -> None:
    schedule = await create(client)
    await edit(client, schedule, version=1, description="mine")
    with pytest.raises(Conflict, match="at version 2, changed by grace"):
        await edit(client, schedule, version=1, description="yours")


async def test_an_edit_that_is_refused_changes_nothing(client: Client) -> None:
    schedule = await create(client)
    with pytest.raises(BadArguments):
        await edit(client, schedule, description="new", schedule_config={"seconds": 0})
    async with client.session() as session:
        assert (await schedules.get(session, schedule.id)).description == ""


async def test_what_is_disabled_is_not_planned_and_goes_on_when_enabled(client: Client) -> None:
    schedule = await create(client)
    async with client.session() as session:
        assert (await schedules.set_enabled(session, schedule.id, enabled=False, who="ada")).next_run_at is None
        await session.commit()
    async with client.session() as session:
        enabled = await schedules.set_enabled(session, schedule.id, enabled=True, who="ada")
        assert enabled.next_run_at == schedule.next_run_at
        now = await moment(session)
        assert enabled.next_run_at is not None
        assert enabled.next_run_at > now


async def test_a_deleted_schedule_leaves_its_history_and_versions(client: Client) -> None:
    schedule = await create(client)
    async with client.session() as session:
        await schedules.trigger(session, schedule.id, who="ada")
        await schedules.delete(session, schedule.id, who="grace")
        await session.commit()
    async with client.session() as session:
        with pytest.raises(NotFound):
            await schedules.get(session, schedule.id)
        assert [run.schedule for run in await schedules.executions(session, schedule_id=schedule.id)] == ["Tick"]
        assert [version.change for version in await schedules.versions(session, schedule.id)] == ["delete", "create"]


async def test_who_looks_for_none_that_is_there_is_told(client: Client) -> None:
    async with client.session() as session:
        for name in ("Nobody", str(uuid.uuid4())):
            with pytest.raises(NotFound):
                await schedules.find(session, name)


async def test_the_scheduler_is_told_once_it_is_committed(client: Client) -> None:
    async with client.redis.pubsub() as channel:
        await channel.subscribe(SCHEDULES)
        assert await channel.get_message(timeout=10)
        async with client.session() as session:
            await schedules.create(session, ScheduleSpec.parse(FIELDS), who="ada")
            assert await channel.get_message(timeout=0.2) is None
            await session.commit()
        assert (await channel.get_message(timeout=10) or {})["data"] == b"create"


# ---- YAML


async def exported(client: Client) -> str:
    async with client.session() as session:
        return await schedules.dump(session)


async def imported(client: Client, text: str) -> schedules.Imported:
    async with client.session() as session:
        done = await schedules.load(session, text, who="ada")
        await session.commit()
    return done


async def test_what_was_exported_can_be_imported(client: Client) -> None:
    """Given schedules with all kinds of fields, when exported, deleted and imported, then they are the same."""
    await create(client, name="Ünï", start_at="2100-01-01T00:00:00+02:00", overlap="queue_one", repeat=3, jitter=1.5)
    date = {"job_type": "date", "schedule_config": {"run_at": "2100-01-01T09:00"}}
    await create(client, name="Once", task_args=["a: b"], **date)
    text = await exported(client)
    assert (await imported(client, text)).unchanged == ["Once", "Ünï"]
    await fetch(client, "delete from scheduled_jobs")
    assert (await imported(client, text)).created == ["Once", "Ünï"]
    assert await exported(client) == text


async def test_an_import_changes_what_differs_and_leaves_what_it_does_not_name(client: Client) -> None:
    await create(client)
    await create(client, name="Other")
    done = await imported(client, (await exported(client)).replace("minutes: 5", "minutes: 6", 1))
    assert (done.created, done.changed, done.unchanged) == ([], ["Other"], ["Tick"])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "schedules"),
        ("schedules: 5", "schedules"),
        ("{", "file"),
        ("schedules: [5]", "schedules[0]"),
        ("schedules: [{name: a, name: b}]", "file"),
        ("schedules: [{name: a}]", "schedules[0].task_function"),
        ("schedules: [{name: a}, {name: a}]", "schedules[1].name"),
        ("schedules: [5, {name: a}, {name: a}]", "schedules[2].name"),
        ("schedules: [{}, {}]", "schedules[0].name"),
        ("!!python/object/apply:os.system [ls]", "file"),
        ("&a [*a]", "schedules"),
    ],
)
async def test_a_wrong_file_is_refused_where_it_is_wrong(client: Client, text: str, path: str) -> None:
    with pytest.raises(BadArguments) as refused:
        await imported(client, text)
    assert refused.value.path == path


async def test_an_import_is_all_or_nothing(client: Client) -> None:
    await create(client)
    text = await exported(client)
    await fetch(client, "delete from scheduled_jobs")
    with pytest.raises(BadArguments) as refused:
        await imported(
            client, text + "- {name: b, task_function: nobody, job_type: interval, schedule_config: {days: 1}}"
        )
    assert refused.value.path == "schedules[1].task_function"
    assert await value(client, "select count(*) from scheduled_jobs") == 0


# ---- defaults

DEFAULT = Default("Tidy", "Tidies.", ACTOR, "interval", {"hours": 1}, {"value": 1})


async def seed(client: Client, settings: Settings, *defaults: Default) -> None:
    async with client.session() as session:
        await schedules.seed(session, defaults, settings)
        await session.commit()


async def find(client: Client, name: str = "Tidy") -> ScheduledJob:
    async with client.session() as session:
        return await schedules.find(session, name)


async def test_defaults_are_made_once(client: Client, settings: Settings) -> None:
    for _ in range(2):
        await seed(client, settings, DEFAULT)
    seeded = await find(client)
    assert (seeded.managed_by, seeded.version, seeded.enabled, seeded.task_args) == ("code", 1, True, {"value": 1})


async def test_a_default_that_needs_a_setting_is_disabled_without_it(client: Client, settings: Settings) -> None:
    await seed(client, settings, Default("Tidy", "", ACTOR, "interval", {"hours": 1}, needs="smtp_username"))
    assert (await find(client)).enabled is False


async def test_new_code_changes_its_defaults_until_a_person_does(client: Client, settings: Settings) -> None:
    """Given a default that newer code declares otherwise, then it follows; once a person has edited it, it does not."""
    await seed(client, settings, DEFAULT)
    later = Default("Tidy", "Tidies.", ACTOR, "interval", {"hours": 2}, {"value": 1})
    await seed(client, settings, later)
    assert (await find(client)).schedule_config == {"hours": 2}
    await edit(client, await find(client), schedule_config={"hours": 3})
    await seed(client, settings, later)
    edited = await find(client)
    assert (edited.schedule_config, edited.managed_by) == ({"hours": 3}, "person")


async def test_a_default_that_a_person_deleted_stays_deleted(client: Client, settings: Settings) -> None:
    await seed(client, settings, DEFAULT)
    async with client.session() as session:
        await schedules.delete(session, (await schedules.find(session, "Tidy")).id, who="ada")
        await session.commit()
    await seed(client, settings, DEFAULT)
    with pytest.raises(NotFound):
        await find(client)


# ---- what they are made of


async def test_every_actor_registers_itself(client: Client) -> None:
    """Given this process's actors, then each is there with its queue and signature; one that is gone is marked, and is
    there again when it comes back."""
    await catalogue.register(client.database, broker)
    async with client.session() as session:
        known = {function.name: function for function in await schedules.task_functions(session)}
    assert known.keys() == broker.actors.keys()
    echo = known[ACTOR]
    assert (echo.queue, echo.signature["required"]) == ("stage-async", [])
    assert echo.signature["properties"]["twice"] == {"type": "boolean", "default": False}
    assert known["cleanup_completed_jobs"].periodic == "17 * * * *"
    assert known["cleanup_completed_jobs"].description.startswith("Delete jobs that ended")
    await fetch(client, "insert into task_functions select 'gone', module, queue, priority, description, signature,"
                " defaults, null from task_functions where name = $1", ACTOR)  # fmt: skip
    await catalogue.register(client.database, broker)
    assert await value(client, "select missing_since is not null from task_functions where name = 'gone'")
    assert await value(client, "select count(*) from task_functions where missing_since is not null") == 1


async def test_actors_of_modules_that_are_not_loaded_are_left_alone(client: Client) -> None:
    await catalogue.register(client.database, broker)
    await fetch(client, "update task_functions set module = 'elsewhere.tasks', name = 'theirs' where name = $1", ACTOR)
    await catalogue.register(client.database, broker)
    assert await value(client, "select missing_since is null from task_functions where name = 'theirs'")


async def test_actors_that_periodiq_triggers_stand_in_the_list(client: Client) -> None:
    """Given an actor with a cron expression, then it is listed beside the others, and cannot be edited there."""
    await create(client)
    await catalogue.register(client.database, broker)
    async with client.session() as session:
        listed = await schedules.listed(session)
        periodic = next(each for each in listed if each.name == "cleanup_completed_jobs")
        assert (periodic.kind, periodic.schedule_config) == ("code", {"expression": "17 * * * *"})
        with pytest.raises(Conflict, match="declared with its actor"):
            await schedules.set_enabled(session, periodic.id, enabled=False, who="ada")


async def test_the_status_says_that_nobody_leads(client: Client) -> None:
    schedule = await create(client)
    async with client.session() as session:
        status = await schedules.status(session)
    assert (status.running, status.schedules, status.enabled, status.lag) == (False, 1, 1, 0)
    assert [each.id for each in status.next_runs] == [schedule.id]


# ---- jobs for later


async def test_jobs_are_enqueued_for_a_moment_and_in_a_while(client: Client) -> None:
    async with client.session() as session:
        now = await moment(session)
        await enqueue_at(session, now + timedelta(hours=1), job_of("async", "echo"), 1)
        await enqueue_in(session, timedelta(hours=2), job_of("async", "echo"), 2)
        await session.commit()
    waits = await fetch(
        client, "select round(extract(epoch from run_at - $1) / 3600) as h from jobs order by run_at", now
    )
    assert [row["h"] for row in waits] == [1, 2]
