"""What is masked cannot be spelled out by searching for it, a letter at a time."""

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from tests.web.callers import assert_problem, caller, key, user

JOB = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, started_at, finished_at, owner, error)
values (gen_random_uuid(), 'welcome', 'web-tests', '[]', '{"password": "hunter2"}', 'failed', 2, 1, now(), now(), $1,
        '{"type": "ValueError", "message": "token=hunter3 is refused"}')
returning id
"""
WITHIN = ["arguments=hunter2", "error=hunter3"]
GROUP = """
insert into error_groups (fingerprint, error_type, pattern, sample_job, sample_attempt, first_seen_at, last_seen_at,
                          occurrences)
values (repeat('a', 32), 'ValueError', 'token=hunter3 is refused', gen_random_uuid(), 1, now(), now(), 1)
"""


async def failed(client: Client, owner: str = "somebody") -> str:
    """A job with a secret among its arguments and in its error."""
    async with client.database.connection() as connection:
        return str(await connection.fetchval(JOB, owner))


@pytest.mark.parametrize("address", ["/api/v1/jobs", "/api/v1/jobs/count", "/api/v1/dead-letters"])
@pytest.mark.parametrize("within", WITHIN)
async def test_a_viewer_cannot_search_within_what_is_masked(
    app: FastAPI, program: httpx.AsyncClient, client: Client, address: str, within: str
) -> None:
    # Given a job with secrets, and a viewer
    await failed(client)
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        # When it asks for those in which a text is, then it is refused
        assert "operator" in assert_problem(await viewer.get(f"{address}?{within}"), 403).detail

        # And may ask for everything else
        assert (await viewer.get(f"{address}?state=failed&error_type=ValueError")).status_code == 200
    assert (await program.get(f"{address}?{within}")).status_code == 200


async def test_whoever_made_a_job_may_search_within_its_arguments(app: FastAPI, client: Client) -> None:
    # Given a job of a program's own and another's, with the same arguments
    own, _ = await failed(client, "key:own"), await failed(client)
    async with caller(app, await key("own", "cb_own_secret", "read", "enqueue")) as program:
        # Then it finds its own by them
        found = (await program.get("/api/v1/jobs?arguments=hunter2")).json()["jobs"]
        assert [job["id"] for job in found] == [own]
        dry = {"action": "retry", "filter": {"arguments": "hunter2"}, "dry_run": True}
        assert (await program.post("/api/v1/jobs/actions", json=dry)).json()["matched"]["jobs"] == 1

        # But what its actor said may hold what the program never knew
        assert_problem(await program.get("/api/v1/jobs?error=hunter3"), 403)
        assert_problem(await program.post("/api/v1/jobs/actions", json=dry | {"filter": {"error": "hunter3"}}), 403)
        assert_problem(await program.get(f"/api/v1/jobs/{own}/logs?text=hunter"), 403)
        assert (await program.get(f"/api/v1/jobs/{own}/logs?level=info")).status_code == 200


@pytest.mark.parametrize("q", ["hunter2", "arg:hunter2", "error:hunter3"])
async def test_on_the_page_a_viewer_is_told_why_such_words_are_left_out(
    app: FastAPI, person: httpx.AsyncClient, client: Client, q: str
) -> None:
    job = await failed(client)
    # Whatever a viewer guesses, right or wrong, the answer is the same list
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for guess in (q, f"{q}x"):
            page = await viewer.get(f"/jobs?q={guess}")
            assert page.status_code == 200
            assert job in page.text
            assert "may not search within arguments" in page.text
            assert_problem(await viewer.get(f"/jobs/export.csv?q={guess}"), 403)
    # Who operates searches as ever
    assert job in (await person.get(f"/jobs?q={q}")).text
    assert job not in (await person.get(f"/jobs?q={q}x")).text


async def test_a_viewer_cannot_search_within_logs_and_groups_of_errors(
    app: FastAPI, person: httpx.AsyncClient, client: Client
) -> None:
    job = await failed(client)
    async with client.database.connection() as connection:
        await connection.execute(GROUP)
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for address in (f"/jobs/{job}", "/errors"):
            assert 'name="text"' not in (await viewer.get(address)).text
            assert_problem(await viewer.get(f"{address}?text=hunter3"), 403)
            assert 'name="text"' in (await person.get(f"{address}?text=hunter3")).text
