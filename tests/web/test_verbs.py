"""Whose jobs a caller sees, and what it can do to them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from runtime.client import Client
from tests.support.waiting import wait_for
from tests.web.callers import BEARER, OWNER, assert_problem, caller, key, started, user
from tests.web.pages import rows

JOB = {"actor": "welcome", "args": ["Ada"], "delay": 3600}
NOBODY = "/api/v1/jobs/01890000-0000-7000-8000-000000000000"


@pytest_asyncio.fixture
async def modest(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A program that may read and enqueue, and sees its own jobs only."""
    async with caller(app, await key("modest", "cb_modest_secret", "read", "enqueue")) as program:
        yield program


async def made(program: httpx.AsyncClient, **fields: Any) -> str:
    response = await program.post("/api/v1/jobs", json=JOB | fields)
    assert response.status_code == 201, response.text
    return f"/api/v1/jobs/{response.json()['id']}"


async def test_a_program_sees_its_own_jobs_and_an_administrator_all(
    program: httpx.AsyncClient, modest: httpx.AsyncClient
) -> None:
    # Given a job of each
    mine, theirs = await made(modest), await made(program)

    # Then the one sees its own, and the other's is not there for it, whatever it asks
    assert (await modest.get(mine)).json()["owner"] == "key:modest"
    for method, path in (
        ("GET", ""), ("GET", "/attempts"), ("GET", "/logs"), ("GET", "/progress"), ("GET", "/events"),
        ("POST", "/cancel"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/retry"), ("POST", "/copy"),
        ("POST", "/run-now"), ("DELETE", ""),
    ):  # fmt: skip
        assert_problem(await modest.request(method, theirs + path), 404)
    assert_problem(await modest.post(f"{theirs}/move", json={"to_priority": 1}), 404)
    for query in ("", f"?owner={OWNER}", "?state=scheduled", "?actor=welcome"):
        found = (await modest.get(f"/api/v1/jobs{query}")).json()["jobs"]
        assert [job["owner"] for job in found] == ([] if "owner" in query else ["key:modest"])
    assert (await modest.get("/api/v1/jobs/count")).json() == {"jobs": 1, "is_exact": True}

    # And the administrator sees both
    assert (await program.get(mine)).status_code == 200
    assert (await program.get("/api/v1/jobs/count")).json()["jobs"] == 2
    assert len((await program.get("/api/v1/jobs?owner=key:modest")).json()["jobs"]) == 1


async def test_a_key_for_some_queues_sees_nothing_else(app: FastAPI, program: httpx.AsyncClient) -> None:
    here, there = await made(program), await made(program, queue="maintenance")
    headers = await key("some", "cb_some_secret", "operate", queues=["web-tests"])
    async with caller(app, headers) as some:
        assert (await some.get(here)).status_code == 200
        assert_problem(await some.get(there), 404)
        assert len((await some.get("/api/v1/jobs")).json()["jobs"]) == 1
        assert (await some.get("/api/v1/jobs?queue=maintenance")).json()["jobs"] == []
        assert (await some.get("/api/v1/jobs?among_queues=maintenance")).json()["jobs"] == []


async def test_a_key_for_some_actors_gets_no_queue_as_a_whole(app: FastAPI, program: httpx.AsyncClient) -> None:
    """Given a key for an actor, then of a queue, in which others' jobs are too, it gets neither one nor the list."""
    await made(program)
    async with caller(app, await key("some", "cb_some_secret", "operate", actors=["welcome"])) as some:
        for address in ("/api/v1/queues", "/api/v1/queues/web-tests"):
            assert "not limited" in assert_problem(await some.get(address), 403).detail
    async with caller(app, await key("other", "cb_other_secret", "operate", queues=["web-tests"])) as other:
        assert [queue["name"] for queue in (await other.get("/api/v1/queues")).json()["queues"]] == ["web-tests"]
        assert (await other.get("/api/v1/queues/web-tests")).status_code == 200
        assert_problem(await other.get("/api/v1/queues/maintenance"), 404)


async def test_a_viewer_sees_and_does_nothing(app: FastAPI, program: httpx.AsyncClient) -> None:
    job = await made(program)
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        assert (await viewer.get(job)).status_code == 200
        assert_problem(await viewer.post(f"{job}/cancel"), 403)
        assert_problem(await viewer.delete(job), 403)


async def test_the_verbs(program: httpx.AsyncClient) -> None:
    job = await made(program)
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("run-now", "queued"), ("cancel", "cancelled"),
                        ("retry", "queued")):  # fmt: skip
        answer = await program.post(f"{job}/{verb}", json={"reason": "because"})
        assert (answer.status_code, answer.json().get("state")) == (200, state), answer.text
    assert (await program.delete(job)).json()["state"] == "cancelled"

    # What makes no sense says what does
    refused = assert_problem(await program.post(f"{job}/pause"), 409)
    assert "`retry` runs it again" in refused.detail
    assert refused.type == "urn:callboard:error:conflict"
    for verb in ("pause", "resume", "run-now", "cancel", "retry", "copy"):
        assert_problem(await program.post(f"{NOBODY}/{verb}"), 404)

    # And every one of them is in the audit, with its reason
    rows = (await program.get("/api/v1/audit", params={"job_id": job.rpartition("/")[2]})).json()["rows"]
    assert [row["action"].partition(".")[2] for row in reversed(rows)] == [
        "pause", "resume", "run_now", "cancel", "retry", "cancel",
    ]  # fmt: skip
    assert {row["who"] for row in rows} == {OWNER}
    assert [row["reason"] for row in rows] == [None, *["because"] * 5]


async def test_a_job_is_moved_to_where_workers_listen(app: FastAPI, program: httpx.AsyncClient) -> None:
    job = await made(program)
    moved = await program.post(f"{job}/move", json={"to_queue": "maintenance", "to_priority": -3})
    assert (moved.status_code, moved.json()["queue"], moved.json()["priority"]) == (200, "maintenance", -3)
    again = assert_problem(await program.post(f"{job}/move", json={"to_queue": "maintenance"}), 409)
    assert "is there already" in again.detail
    for wrong, says in (
        ({"to_queue": "nowhere"}, "No worker listens on the queue 'nowhere'"), ({}, "Say where to"),
    ):  # fmt: skip
        refused = assert_problem(await program.post(f"{job}/move", json=wrong), 422)
        assert says in refused.detail
        action = {"action": "move", "filter": {"actor": "welcome"}}
        for how in ({}, {"dry_run": True}):
            many = await program.post("/api/v1/jobs/actions", json=action | wrong | how)
            assert says in assert_problem(many, 422).detail
    assert_problem(await program.post(f"{job}/move", json={"to_priority": 2**15}), 422)

    # And a key for some queues puts nothing into another
    async with caller(app, await key("some", "cb_some_secret", "operate", queues=["maintenance"])) as some:
        assert (await some.post(f"{job}/move", json={"to_priority": 4})).status_code == 200
        assert_problem(await some.post(f"{job}/move", json={"to_queue": "default"}), 403)
        action = {"action": "move", "filter": {"actor": "welcome"}, "to_queue": "default"}
        assert_problem(await some.post("/api/v1/jobs/actions", json=action), 403)


async def test_a_retry_and_a_copy_with_other_arguments(program: httpx.AsyncClient) -> None:
    job = await made(program)
    await program.delete(job)
    await program.post(f"{job}/retry", json={"arguments": {"args": ["Grace"]}, "from_start": True})
    assert (await program.get(job)).json()["args"] == ["Grace"]
    copy = await program.post(f"{job}/copy", json={"arguments": {"kwargs": {"name": "Eve"}}})
    assert copy.status_code == 201
    found = (await program.get(f"/api/v1/jobs/{copy.json()['id']}")).json()
    assert (found["args"], found["kwargs"]) == ([], {"name": "Eve"})
    wrong = await program.post(f"{job}/copy", json={"arguments": {"args": [1, 2, 3]}})
    assert assert_problem(wrong, 422).type == "urn:callboard:error:bad-arguments"


async def test_an_action_on_what_has_changed_meanwhile_is_refused(program: httpx.AsyncClient) -> None:
    # Given a job as somebody saw it, and that somebody else has changed since
    job = await made(program)
    seen = (await program.get(job)).headers["etag"]
    await program.post(f"{job}/pause")

    # Then what is based on that view is refused, and what is based on the present is not
    assert_problem(await program.post(f"{job}/cancel", headers={"If-Match": seen}), 412)
    now = (await program.get(job)).headers["etag"]
    assert (await program.post(f"{job}/resume", headers={"If-Match": f'"x", {now}'})).status_code == 200
    assert (await program.post(f"{job}/cancel", headers={"If-Match": "*"})).status_code == 200


async def test_an_action_over_a_filter_counts_first_and_then_is_a_job(
    program: httpx.AsyncClient, modest: httpx.AsyncClient
) -> None:
    await made(modest)
    for _ in range(3):
        await made(program, tags=["old"])
    action: dict[str, Any] = {"action": "cancel", "filter": {"tags": ["old"]}, "reason": "obsolete"}

    dry = await program.post("/api/v1/jobs/actions", json=action | {"dry_run": True})
    assert (dry.status_code, dry.json()) == (200, {"matched": {"jobs": 3, "is_exact": True}, "job": None})
    theirs = await modest.post("/api/v1/jobs/actions", json=action | {"dry_run": True, "filter": {"actor": "welcome"}})
    assert theirs.json()["matched"]["jobs"] == 1

    started = await program.post("/api/v1/jobs/actions", json=action)
    assert started.status_code == 202, started.text
    assert (started.json()["job"]["owner"], started.json()["job"]["tags"]) == (OWNER, ["bulk", "cancel"])
    assert_problem(await program.post("/api/v1/jobs/actions", json=action | {"filter": {}}), 422)
    assert_problem(await program.post("/api/v1/jobs/actions", json=action | {"filter": {"colour": "red"}}), 422)
    assert_problem(await modest.post("/api/v1/jobs/actions", json=action | {"filter": {"owner": "key:tests"}}), 422)


async def test_a_key_for_some_actors_watches_what_it_does_to_their_jobs(
    app: FastAPI, program: httpx.AsyncClient
) -> None:
    """Given a key for one actor that cancels all jobs of it, then it sees the job that does it, and can cancel that;
    another such key sees nothing of it."""
    await made(program)
    action = {"action": "cancel", "filter": {"state": "scheduled"}}
    async with caller(app, await key("some", "cb_some_secret", "operate", actors=["welcome"])) as some:
        job = (await some.post("/api/v1/jobs/actions", json=action)).json()["job"]
        address = f"/api/v1/jobs/{job['id']}"
        assert (await some.get(address)).json()["actor"] == "change_jobs"
        async with caller(app, await key("other", "cb_other_secret", "operate", actors=["welcome"])) as other:
            assert_problem(await other.get(address), 404)
            assert_problem(await other.post(f"{address}/cancel"), 404)
        assert (await some.post(f"{address}/cancel")).json()["state"] == "cancelled"


async def test_waiting_for_a_result_and_following_it(program: httpx.AsyncClient, worker: Any, client: Client) -> None:
    # Given a job that nobody runs yet, somebody who waits for it, and somebody who follows it
    job = await made(program, delay=0)
    nothing = await program.get(f"{job}?wait=0.05")
    assert (nothing.status_code, nothing.json()["state"]) == (200, "queued")
    waiting = asyncio.create_task(program.get(f"{job}?wait=60", timeout=70))
    following = asyncio.create_task(program.get(f"{job}/events", timeout=70))

    # When a worker comes
    await worker("tests.web.some_actors")

    # Then the one has the result, and the other saw the job to its end
    assert (await waiting).json()["result"] == "Hello, Ada."
    stream = await following
    assert stream.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in stream.text.strip().split("\n\n")]
    assert blocks[0]["event"] == "changed"
    assert blocks[-1]["event"] == "ended"
    assert json.loads(blocks[-1]["data"])["job"]["state"] == "succeeded"
    for wrong in ("-1", "61", "nan", "x"):
        assert_problem(await program.get(f"{job}?wait={wrong}"), 422)


async def test_what_a_job_says_and_why_it_failed_is_shown_without_its_secrets(
    program: httpx.AsyncClient, worker: Any
) -> None:
    # Given a job with a password among its arguments, that fails saying it
    await worker("tests.web.some_actors")
    response = await program.post(
        "/api/v1/jobs",
        json={"actor": "sign", "args": ["ada", "s3cret-one", "s3cret-two"], "metadata": {"token": "s3cret-three"}},
    )
    job = f"/api/v1/jobs/{response.json()['id']}"
    ended = (await program.get(f"{job}?wait=60", timeout=70)).json()
    assert ended["state"] == "failed"

    # Then it is nowhere to be seen
    async def logged() -> list[Any]:
        lines: list[Any] = (await program.get(f"{job}/logs")).json()["lines"]
        return lines

    await wait_for(logged)
    shown = ""
    for path in (job, f"{job}/attempts", f"{job}/logs", f"{job}/events", "/api/v1/jobs", "/api/v1/dead-letters"):
        shown += (await program.get(path)).text
    assert ended["args"] == ["ada", "********", "********"]
    assert "cannot sign with password=********" in shown
    assert "ada logs in with token=********" in shown
    assert "s3cret" not in shown


async def test_dead_letters_are_run_again_or_removed(program: httpx.AsyncClient, client: Client) -> None:
    one, other, alive = [await made(program) for _ in range(3)]
    async with client.database.connection() as connection:
        await connection.execute(
            'update jobs set state = \'failed\', outcome = 2, finished_at = now(), error = \'{"type": "ValueError",'
            ' "message": "no"}\' where id <> $1',
            alive.rpartition("/")[2],
        )
    listed = (await program.get("/api/v1/dead-letters?error_type=ValueError")).json()["jobs"]
    assert {job["id"] for job in listed} == {one.rpartition("/")[2], other.rpartition("/")[2]}
    dead = "/api/v1/dead-letters/"
    assert (await program.post(dead + one.rpartition("/")[2] + "/retry")).json()["state"] == "queued"
    assert (await program.delete(dead + other.rpartition("/")[2])).status_code == 204
    assert_problem(await program.get(other), 404)
    assert_problem(await program.delete(dead + alive.rpartition("/")[2]), 409)
    assert (await program.get("/api/v1/dead-letters")).json()["jobs"] == []


async def test_a_caller_that_asks_too_often_is_told_when_to_come_back(
    app: FastAPI, program: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await program.get("/api/v1/me")
    assert first.headers["ratelimit-policy"] == '"caller";q=6000;w=60'
    assert first.headers["ratelimit"].startswith('"caller";r=')
    settings = app.state.settings.model_copy(update={"rate_limit": 3})
    async with started(settings) as strict, caller(strict, BEARER) as eager:
        answers = [await eager.get("/api/v1/me") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert_problem(answers[-1], 429)
        assert 0 < int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].headers["ratelimit"].startswith('"caller";r=0;')
        assert (await eager.get("/health")).status_code == 200


async def test_a_worker_is_drained_and_goes_on(program: httpx.AsyncClient, client: Client) -> None:
    await rows.workers(client)
    there = f"/api/v1/workers/{rows.BUSY}"
    drained = await program.post(f"{there}/drain", json={"reason": "a new kernel"})
    assert (drained.status_code, drained.json()["is_draining"]) == (200, True)
    assert (drained.json()["reason"], drained.json()["drained_by"]) == ("a new kernel", OWNER)
    assert_problem(await program.post(f"{there}/drain", json={"reason": "again"}), 409)
    assert (await program.post(f"{there}/resume")).json()["is_draining"] is False
    assert_problem(await program.post(f"{there}/resume"), 409)
    assert_problem(await program.post(f"{NOBODY.replace('jobs', 'workers')}/drain", json={"reason": "x"}), 404)


async def test_stats_and_metrics(app: FastAPI, program: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await made(program)
    stats = (await program.get("/api/v1/stats?hours=2")).json()
    assert stats["now"]["scheduled"] == 1
    assert len(stats["throughput"]) >= 120
    async with caller(app, await key("prometheus", "cb_prometheus_secret", "metrics")) as prometheus:
        text = await prometheus.get("/metrics")
        assert_problem(await prometheus.get("/api/v1/jobs"), 403)
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'callboard_jobs{actor="welcome",queue="web-tests",state="scheduled"} 1.0' in text.text
    assert "callboard_workers 0.0" in text.text
    assert "process_resident_memory_bytes" in text.text
    assert_problem(await stranger.get("/metrics"), 401)


async def test_metrics_can_be_open(app: FastAPI) -> None:
    opened = app.state.settings.model_copy(update={"metrics_open": True})
    async with started(opened) as open_app, caller(open_app, httpx.Headers()) as stranger:
        assert (await stranger.get("/metrics")).status_code == 200
        assert_problem(await stranger.get("/api/v1/stats"), 401)
