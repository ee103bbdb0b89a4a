"""`callboard schedules …`."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.callboard import callboard

ACTOR = "cleanup_completed_jobs"
pytestmark = pytest.mark.usefixtures("settings")


async def schedules(*arguments: object) -> Any:
    """What it printed as JSON."""
    return (await callboard("schedules", *arguments, "--json")).json


async def said(*arguments: object) -> str:
    done = await callboard("schedules", *arguments)
    assert done.code == 0, done.err
    return done.out


async def refused(*arguments: object) -> str:
    done = await callboard("schedules", *arguments)
    assert done.code != 0, done.out
    return done.err


async def test_a_schedule_is_made_changed_run_and_deleted() -> None:
    made = await schedules("create", "Tidy", "--actor", ACTOR, "--cron", "0 3 * * *", "--zone", "Europe/Berlin")
    assert (made["name"], made["schedule_config"], made["version"]) == ("Tidy", {"expression": "0 3 * * *"}, 1)
    assert made["created_by"].startswith("cli")
    changed = await schedules("edit", "Tidy", "--every", "1h30m", "--set", "overlap=queue_one", "--set", "repeat=3")
    assert (changed["schedule_config"], changed["overlap"], changed["repeat"]) == (
        {"hours": 1, "minutes": 30}, "queue_one", 3,
    )  # fmt: skip
    assert (await schedules("disable", made["id"]))["enabled"] is False
    assert (await schedules("show", "Tidy"))["enabled"] is False
    assert (await said("enable", "Tidy")).startswith("Tidy is enabled: next run ")
    assert (await schedules("run", "Tidy"))["status"] == "queued"
    assert [run["triggered_by"][:3] for run in await schedules("history", "Tidy")] == ["cli"]
    assert "Tidy" in await said("list")
    declined = await callboard("schedules", "delete", "Tidy", given="n\n")
    assert (declined.code, "Delete the schedule Tidy?" in declined.err) == (1, True)
    assert (await schedules("delete", "Tidy", "--yes"))["name"] == "Tidy"
    assert await schedules("list") == []


async def test_a_schedule_is_off_for_a_while() -> None:
    """Given a schedule, when it is disabled until a moment or for a span, then the answer, the list and its own page
    say until when and why; it is previewed from then on; enabled, it is on."""
    await schedules("create", "Tidy", "--actor", ACTOR, "--cron", "0 3 * * *")
    off = await said("disable", "Tidy", "--until", "2190-01-01T00:00Z", "--reason", "a move")
    assert off == "Tidy is disabled until 2190-01-01 00:00 UTC: next run 2190-01-01 03:00:00 UTC.\n"
    (listed,) = await schedules("list")
    assert (listed["enabled"], listed["off_until"], listed["off_reason"]) == (True, "2190-01-01T00:00:00Z", "a move")
    assert "a move" in await said("list")
    assert "2190-01-01" in (await schedules("preview", "Tidy", "-n", "1"))[0]["at"]
    assert "2190" in await said("show", "Tidy")
    assert (await schedules("disable", "Tidy", "--for", "2h"))["off_by"].startswith("cli")
    assert "over already" in await refused("disable", "Tidy", "--until", "2001-01-01T00:00Z")
    assert "Say either" in await refused("disable", "Tidy", "--until", "2190-01-01T00:00Z", "--for", "2h")
    assert "no duration" in await refused("disable", "Tidy", "--for", "long")
    assert (await schedules("enable", "Tidy", "--reason", "done"))["off_until"] is None
    assert (await schedules("disable", "Tidy", "--reason", "for good"))["off_reason"] == "for good"


async def test_runs_of_a_span_that_is_past_are_counted_and_made() -> None:
    await schedules("create", "Tidy", "--actor", ACTOR, "--cron", "0 * * * *")
    span = ("Tidy", "--from", "2026-03-01T00:00Z", "--to", "2026-03-01T05:00Z")
    counted = await schedules("backfill", *span, "--dry-run")
    assert (len(counted["planned"]), len(counted["missing"])) == (6, 6)
    assert await said("backfill", *span, "--reason", "an outage") == "6 runs were planned then; 6 were made.\n"
    assert await said("backfill", *span) == "6 runs were planned then; 0 were made.\n"
    assert "must have passed" in await refused("backfill", "Tidy", "--from", "1h", "--to", "2100-01-01")


async def test_what_is_exported_is_imported(tmp_path: Path) -> None:
    await schedules("create", "Tidy", "--actor", ACTOR, "--every", "5m")
    file = tmp_path / "schedules.yaml"
    file.write_text(await said("export"))
    assert await schedules("import", str(file)) == {"created": [], "changed": [], "unchanged": ["Tidy"]}
    file.write_text(file.read_text().replace("minutes: 5", "minutes: 6"))
    assert "0 would be created, 1 changed" in await said("import", str(file), "--dry-run")
    assert (await schedules("show", "Tidy"))["schedule_config"] == {"minutes": 5}
    assert (await schedules("import", str(file)))["changed"] == ["Tidy"]


async def test_a_preview_marks_clock_changes() -> None:
    config = '{"any": [{"type": "date", "run_at": "2035-03-25T02:30"}]}'
    (run,) = await schedules("preview", "--job-type", "combination", "--config", config, "--zone", "Europe/Berlin")
    assert (run["local"], run["mark"]) == ("2035-03-25T03:00:00+02:00", "jump")


async def test_what_is_wrong_is_said_in_a_line() -> None:
    assert "0 0 31 2 *" in await refused("create", "x", "--actor", ACTOR, "--cron", "0 0 31 2 *")
    assert "no actor is named 'nobody'" in await refused("create", "x", "--actor", "nobody", "--every", "1h")
    assert "Say when" in await refused("create", "x", "--actor", ACTOR)
    assert "both given" in await refused("create", "x", "--actor", ACTOR, "--every", "1h", "--cron", "* * * * *")
    assert "no interval" in await refused("create", "x", "--actor", ACTOR, "--every", "often")
    assert "not JSON" in await refused("create", "x", "--actor", ACTOR, "--every", "1h", "--args", "{")
    assert "FIELD=VALUE" in await refused("create", "x", "--actor", ACTOR, "--every", "1h", "--set", "overlap")
    assert "status 'great' is none of" in await refused("history", "--status", "great")
    assert "No schedule is named 'x'" in await refused("show", "x")
    assert "--config is for --job-type" in await refused("preview", "--every", "1h", "--config", "{}")
    assert "Name a schedule, or say when" in await refused("preview")
    assert "not both" in await refused("preview", "x", "--cron", "* * * * *")
    assert "Say what is to change" in await refused("edit", "x")
    assert "cannot be read" in await refused("import", "nowhere.yaml")
