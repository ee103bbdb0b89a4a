"""/api/v1/scheduler and /health/scheduler."""

import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime import catalogue
from runtime.client import Client
from scheduling.leader import Leader
from tests.web.callers import assert_problem, caller, key

JOBS = "/api/v1/scheduler/jobs"
NEW: dict[str, Any] = {
    "name": "Tidy", "task_function": "cleanup_completed_jobs", "job_type": "cron",
    "schedule_config": {"expression": "0 3 * * *"}, "time_zone": "Europe/Berlin",
}  # fmt: skip


async def create(program: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await program.post(JOBS, json=NEW | fields)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_schedule_is_made_read_changed_and_deleted(program: httpx.AsyncClient) -> None:
    made = await create(program)
    address = f"{JOBS}/{made['id']}"
    assert (made["version"], made["created_by"], made["kind"], made["next_run_at"] is not None) == (
        1, "key:tests", "table", True,
    )  # fmt: skip
    assert (await program.get(address)).json() == made
    assert (await program.get(JOBS)).json() == {"jobs": [made], "page": 1, "per_page": 50}
    changed = (await program.patch(address, json={"overlap": "allow"}, params={"version": 1})).json()
    assert (changed["overlap"], changed["version"]) == ("allow", 2)
    replaced = (await program.put(address, json=NEW)).json()
    assert (replaced["overlap"], replaced["version"]) == ("skip", 3)
    assert (await program.delete(address)).status_code == 204
    assert_problem(await program.get(address), 404)
    versions = (await program.get(f"{address}/versions")).json()
    assert [version["change"] for version in versions] == ["delete", "edit", "edit", "create"]


async def test_the_location_of_a_new_schedule_leads_to_it(program: httpx.AsyncClient) -> None:
    answer = await program.post(JOBS, json=NEW)
    assert (await program.get(answer.headers["location"])).json()["id"] == answer.json()["id"]


async def test_it_is_disabled_enabled_and_run(program: httpx.AsyncClient) -> None:
    made = await create(program)
    address = f"{JOBS}/{made['id']}"
    disabled = (await program.post(f"{address}/disable")).json()
    assert (disabled["enabled"], disabled["next_run_at"]) == (False, None)
    run = await program.post(f"{address}/trigger")
    assert (run.status_code, run.json()["status"], run.json()["triggered_by"]) == (201, "queued", "key:tests")
    assert (await program.post(f"{address}/enable")).json()["next_run_at"] == made["next_run_at"]
    history = (
        await program.get("/api/v1/scheduler/executions", params={"job_id": made["id"], "status": "queued"})
    ).json()
    assert [execution["job_id"] for execution in history["executions"]] == [run.json()["job_id"]]
    other = {"job_id": str(uuid.uuid4())}
    assert (await program.get("/api/v1/scheduler/executions", params=other)).json()["executions"] == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schedule_config": {"expression": "0 0 31 2 *"}}, "schedule_config.expression"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"task_function": "nobody"}, "task_function"),
        ({"task_args": {"wrong": 1}}, "task_args"),
        ({"job_type": "interval", "schedule_config": {"seconds": 0}}, "schedule_config"),
        ({"start_at": "2030-01-02T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}, "end_at"),
        ({"misfire": "later"}, "misfire"),
        ({"color": 1}, "color"),
    ],
)
async def test_bad_input_is_refused_with_its_field(
    program: httpx.AsyncClient, fields: dict[str, Any], path: str
) -> None:
    problem = assert_problem(await program.post(JOBS, json=NEW | fields), 422)
    assert problem.errors is not None
    assert problem.errors[0].path == path
    assert (await program.get(JOBS)).json()["jobs"] == []


async def test_conflicts_are_said(program: httpx.AsyncClient) -> None:
    made = await create(program)
    assert_problem(await program.post(JOBS, json=NEW), 409)
    assert_problem(await program.patch(f"{JOBS}/{made['id']}", json={"jitter": 1}, params={"version": 7}), 409)


async def test_a_change_that_is_wrong_is_refused(program: httpx.AsyncClient) -> None:
    made = await create(program)
    wrong: list[dict[str, Any]] = [{"id": 5}, {"enabled": 5}, {"schedule_config": {}}]
    for changes in wrong:
        assert_problem(await program.patch(f"{JOBS}/{made['id']}", json=changes), 422)
    assert (await program.get(f"{JOBS}/{made['id']}")).json() == made


async def test_a_preview_has_the_marks_of_clock_changes(program: httpx.AsyncClient) -> None:
    wanted = {
        "job_type": "cron", "schedule_config": {"expression": "30 2 * * *"}, "time_zone": "Europe/Berlin",
        "start_at": "2027-03-27T12:00:00Z", "number": 3,
    }  # fmt: skip
    runs = (await program.post("/api/v1/scheduler/preview", json=wanted)).json()["runs"]
    assert [(run["local"], run["mark"]) for run in runs] == [
        ("2027-03-28T03:00:00+02:00", "jump"), ("2027-03-29T02:30:00+02:00", None),
        ("2027-03-30T02:30:00+02:00", None),
    ]  # fmt: skip


async def test_what_schedules_are_made_of_is_listed(program: httpx.AsyncClient, client: Client) -> None:
    from tests.web.some_actors import broker

    types = (await program.get("/api/v1/scheduler/job-types")).json()
    assert [kind["name"] for kind in types] == ["combination", "cron", "date", "interval"]
    await catalogue.register(client.database, broker)
    functions = {each["name"]: each for each in (await program.get("/api/v1/scheduler/task-functions")).json()}
    assert functions["cleanup_completed_jobs"]["periodic"] == "17 * * * *"
    listed = (await program.get(JOBS, params={"kind": "code"})).json()["jobs"]
    assert [job["name"] for job in listed if job["task_function"] == "cleanup_completed_jobs"]


async def test_the_status_and_the_health_say_who_leads(program: httpx.AsyncClient, client: Client) -> None:
    """Given no scheduler, then neither is well; given one that leads, then both say so, and what comes next."""
    made = await create(program)
    assert (await program.get("/api/v1/scheduler/status")).json()["running"] is False
    assert (await program.get("/health/scheduler")).status_code == 503
    leader = Leader(client.database, 60)
    await leader.run_once()
    status = (await program.get("/api/v1/scheduler/status")).json()
    assert (status["running"], status["leader"], status["term"], status["lag"]) == (True, str(leader.holder), 1, 0)
    assert [run["id"] for run in status["next_runs"]] == [made["id"]]
    health = await program.get("/health/scheduler")
    assert health.status_code == 200
    assert health.json() == {
        "running": True,
        "jobs": [
            {"id": made["id"], "name": "Tidy", "next_run_time": made["next_run_at"],
             "trigger": "cron: 0 3 * * * (Europe/Berlin)"},
        ],
    }  # fmt: skip


async def test_who_may_only_look_changes_nothing(program: httpx.AsyncClient, app: FastAPI) -> None:
    made = await create(program)
    headers = await key("looks", "cb_looks_a-key-that-only-looks-at-things", "read", "operate")
    async with caller(app, headers) as operator:
        assert (await operator.post(f"{JOBS}/{made['id']}/disable")).status_code == 200
    headers = await key("makes", "cb_makes_a-key-that-only-makes-jobs", "enqueue")
    async with caller(app, headers) as maker:
        assert_problem(await maker.post(JOBS, json=NEW), 403)
        assert_problem(await maker.get(JOBS), 403)


async def test_a_schedule_is_off_for_a_while(program: httpx.AsyncClient) -> None:
    """Given an end in the body, then the document has it, the reason and who; it is enabled still, its mark is another
    one, and a whole document that is put back keeps it. Enabled, it is on. What makes no sense as an end is refused."""
    made = await create(program)
    there = f"{JOBS}/{made['id']}"
    mark = (await program.get(there)).headers["ETag"]
    for wrong in (
        {"until": "2001-01-01T00:00:00Z"}, {"until": "2190-01-01T00:00:00"}, {"lasts": 0}, {"lasts": 1e12},
        {"until": "2190-01-01T00:00:00Z", "lasts": 60}, {"until": "2201-01-01T00:00:00Z"}, {"reason": ""},
    ):  # fmt: skip
        assert_problem(await program.post(f"{there}/disable", json=wrong), 422)
    wanted = {"until": "2190-01-01T00:00:00Z", "reason": "a move"}
    off = (await program.post(f"{there}/disable", json=wanted)).json()
    assert (off["enabled"], off["version"], off["off_until"], off["off_reason"]) == (
        True, 1, "2190-01-01T00:00:00Z", "a move",
    )  # fmt: skip
    assert off["next_run_at"] == "2190-01-01T02:00:00Z"
    assert_problem(await program.post(f"{there}/enable", headers={"If-Match": mark}), 412)
    assert (await program.put(there, json=NEW | {"jitter": 1})).json()["off_until"] == "2190-01-01T00:00:00Z"
    on = (await program.post(f"{there}/enable", json={"reason": "done"})).json()
    assert (on["off_until"], on["off_by"], on["off_reason"]) == (None, None, None)
    assert (await program.post(f"{there}/disable", json={"lasts": 90.5})).json()["off_until"] is not None
    disabled = (await program.post(f"{there}/disable")).json()
    assert (disabled["enabled"], disabled["off_until"]) == (False, None)
    assert_problem(await program.post(f"{there}/disable", json={"lasts": 60}), 409)


async def test_runs_of_a_span_that_is_past_are_counted_and_made(program: httpx.AsyncClient) -> None:
    """Given a daily schedule, then a dry run says which runs would be made, the backfill makes them, and a second one
    none; a span that is still to come is refused."""
    there = f"{JOBS}/{(await create(program))['id']}/backfill"
    span = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-04T00:00:00Z"}
    counted = (await program.post(there, json=span | {"dry_run": True})).json()
    assert counted["missing"] == ["2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z", "2026-03-03T02:00:00Z"]
    made = await program.post(there, json=span | {"reason": "an outage"})
    assert (made.status_code, made.json()) == (200, counted)
    assert (await program.post(there, json=span)).json() == counted | {"missing": []}
    refused = assert_problem(await program.post(there, json=span | {"end": "2100-01-01T00:00:00Z"}), 422)
    assert "must have passed" in refused.detail
