"""Actors whose arguments carry what a service has checked, or act on what belongs to all: not everybody writes them."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from tests.web.callers import LOGIN, ORIGIN, assert_problem, caller, key

EVERYTHING = {"verb": "cancel", "only": {}, "who": "ada"}
OF_SERVICES = (
    "change_jobs", "confirm_ses_topic", "deliver_bulk_smtp", "deliver_email", "deliver_webhook",
    "record_email_events", "replay_webhooks",
)  # fmt: skip


async def program_with(app: FastAPI, *scopes: str) -> httpx.AsyncClient:
    name = "-".join(scopes)
    return caller(app, await key(name, f"cb_{name.replace('-', '')}_secret", *scopes))


async def test_no_key_enqueues_what_only_services_do(app: FastAPI) -> None:
    for scopes in (("read", "enqueue"), ("operate",), ("admin",)):
        async with await program_with(app, *scopes) as program:
            for actor in OF_SERVICES:
                job: dict[str, Any] = {"actor": actor, "kwargs": EVERYTHING}
                problem = assert_problem(await program.post("/api/v1/jobs", json=job), 403)
                assert actor in problem.detail
                assert_problem(await program.post("/api/v1/jobs/bulk", json={"jobs": [job]}), 403)


async def test_a_job_of_one_runs_again_as_it_is_and_not_otherwise(app: FastAPI, client: Client) -> None:
    async with await program_with(app, "read", "enqueue") as program:
        # Given a job that cancels the caller's own jobs
        wanted = {"action": "cancel", "filter": {"actor": "welcome"}, "dry_run": False}
        answer = await program.post("/api/v1/jobs/actions", json=wanted)
        assert answer.status_code in (200, 201, 202), answer.text
        made = answer.json()["job"]["id"]

        # Then a copy of it may not be given others, and one as it is may be made
        others = {"arguments": {"args": [], "kwargs": EVERYTHING}}
        assert_problem(await program.post(f"/api/v1/jobs/{made}/copy", json=others), 403)
        assert (await program.post(f"/api/v1/jobs/{made}/copy")).status_code == 201

        # Nor may it be run again with others
        assert (await program.post(f"/api/v1/jobs/{made}/cancel")).status_code == 200
        assert_problem(await program.post(f"/api/v1/jobs/{made}/retry", json=others), 403)

    # And its page offers no edit, which is refused to an administrator too
    async with caller(app, httpx.Headers({"Accept": "text/html", "Origin": ORIGIN}), LOGIN) as browser:
        page = await browser.get(f"/jobs/{made}")
        assert page.status_code == 200
        assert f"/jobs/{made}/edit" not in page.text
        typed = {"args": "[]", "kwargs": '{"verb": "cancel", "only": {}, "who": "ada"}', "confirmed": "true"}
        assert (await browser.post(f"/jobs/{made}/edit", data=typed)).status_code == 403


async def test_no_schedule_runs_one(app: FastAPI) -> None:
    schedule = {
        "name": "Cancel all", "task_function": "change_jobs", "job_type": "interval",
        "schedule_config": {"seconds": 60}, "task_args": EVERYTHING,
    }  # fmt: skip
    async with await program_with(app, "admin") as program:
        problem = assert_problem(await program.post("/api/v1/scheduler/jobs", json=schedule), 422)
        assert problem.errors[0].path == "task_function"


@pytest.mark.parametrize(("scope", "status"), [("enqueue", 403), ("operate", 201)])
async def test_what_acts_on_everything_takes_somebody_who_operates(app: FastAPI, scope: str, status: int) -> None:
    async with await program_with(app, "read", scope) as program:
        job = {"actor": "cleanup_completed_jobs", "kwargs": {"retention_days": 0.5}}
        assert (await program.post("/api/v1/jobs", json=job)).status_code == status
