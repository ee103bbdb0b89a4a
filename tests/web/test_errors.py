"""/api/v1/errors."""

import httpx
from fastapi import FastAPI

from runtime.client import Client
from services import audit
from tests.web.callers import assert_problem, caller, key, user
from tests.web.pages.rows import FINGERPRINT, error_group, failures

HERE = f"/api/v1/errors/{FINGERPRINT}"


async def test_errors_are_listed_looked_at_and_acted_on(program: httpx.AsyncClient, client: Client) -> None:
    """Given an error that was seen, then it is listed and looked at; when it is muted, resolved and linked to an issue,
    then the list and its document say so, and so does the audit."""
    await error_group(client)
    [group] = (await program.get("/api/v1/errors")).json()["groups"]
    assert (group["fingerprint"], group["state"], group["occurrences"], len(group["trend"])) == (
        FINGERPRINT,
        "new",
        1,
        24,
    )
    found = (await program.get(HERE, params={"hours": 2})).json()
    assert (found["pattern"], found["latest"], len(found["trend"])) == (group["pattern"], [], 2)

    assert (await program.post(f"{HERE}/mute")).json()["muted_by"] == "key:tests"
    assert (await program.get("/api/v1/errors")).json() == {"groups": []}
    [muted] = (await program.get("/api/v1/errors", params={"show": "muted"})).json()["groups"]
    assert muted["state"] == "muted"
    assert (await program.post(f"{HERE}/unmute")).json()["muted_at"] is None
    assert (await program.post(f"{HERE}/resolve")).json()["resolved_by"] == "key:tests"
    assert (await program.post(f"{HERE}/reopen")).json()["resolved_at"] is None
    issue = "https://issues.example.com/7"
    assert (await program.put(f"{HERE}/issue", json={"url": issue})).json()["issue_url"] == issue
    assert (await program.delete(f"{HERE}/issue")).json()["issue_url"] is None
    async with client.session() as session:
        done = [row.action for row in await audit.page(session, audit.Filter(target=FINGERPRINT), limit=10)]
    assert done[::-1] == [
        "error.mute", "error.unmute", "error.resolve", "error.reopen", "error.link", "error.unlink",
    ]  # fmt: skip


async def test_where_it_was_seen_is_told(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs that failed with it, then its document names them and not the words that are masked."""
    fingerprint = await failures(client, 2, "password=hunter2 was refused")
    latest = (await program.get(f"/api/v1/errors/{fingerprint}")).json()["latest"]
    assert [(one["actor"], one["state"]) for one in latest] == [("send_email", "failed")] * 2
    assert all("was refused" in one["error_message"] and "hunter2" not in one["error_message"] for one in latest)
    jobs = (await program.get("/api/v1/jobs", params={"error_group": fingerprint})).json()["jobs"]
    assert {job["id"] for job in jobs} == {one["job_id"] for one in latest}


async def test_what_is_wrong_is_said(program: httpx.AsyncClient, client: Client) -> None:
    await error_group(client)
    assert_problem(await program.get("/api/v1/errors/" + "0" * 32), 404)
    assert_problem(await program.post("/api/v1/errors/" + "0" * 32 + "/mute"), 404)
    for query in ({"show": "closed"}, {"hours": 721}, {"limit": 0}, {"since": "1h"}):
        assert_problem(await program.get("/api/v1/errors", params=query), 422)
    refused = await program.put(f"{HERE}/issue", json={"url": "javascript:alert(1)"})
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["path"] == "url"


async def test_who_may_see_and_change_them(app: FastAPI, client: Client) -> None:
    """Given a viewer and a key that reads, then the first may list, but not search within nor change, and the key may
    not look at what everybody's jobs did."""
    await error_group(client)
    async with caller(app, httpx.Headers(), await user("vera", "session-of-vera", "viewer")) as viewer:
        assert (await viewer.get("/api/v1/errors")).status_code == 200
        assert_problem(await viewer.get("/api/v1/errors", params={"text": "a"}), 403)
        assert_problem(await viewer.post(f"{HERE}/mute"), 403)
    async with caller(app, await key("reader", "cb_reader", "read")) as reader:
        assert_problem(await reader.get("/api/v1/errors"), 403)
