"""The list of jobs and the page of one, without a browser."""

import httpx
import pytest

from runtime.client import Client
from services.masking import MASK
from tests.web.pages import rows
from web.pages import many

WAITING = """
insert into jobs (id, actor, queue, args, kwargs, state, blocked_by, run_at)
values (gen_random_uuid(), 'send_email', 'email', '[]', '{}', 'waiting', 'limit:customer-1', 'infinity')
returning id
"""


@pytest.mark.parametrize("address", ["/jobs", "/jobs?q=state:waiting", "/jobs/{id}", "/jobs/export.csv"])
async def test_a_job_that_waits_for_something_else_than_the_time_is_shown(
    program: httpx.AsyncClient, client: Client, address: str
) -> None:
    """It is due at no moment that can be told."""
    async with client.database.connection() as connection:
        waiting = await connection.fetchval(WAITING)
    response = await program.get(address.format(id=waiting))
    assert response.status_code == 200, response.text
    assert str(waiting) in response.text
    assert "9999" not in response.text


async def test_what_cannot_be_counted_at_a_glance_is_counted_when_asked(
    program: httpx.AsyncClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more jobs than a glance counts, then the question says so, and has a link to one with the whole number."""
    monkeypatch.setattr(many, "_GLANCE", 0.0)
    await rows.ended(client, 3_000, "failed")
    glance = (await program.get("/jobs/bulk?q=state:failed%20arg:[]")).text
    assert "Retry 2,000 jobs or more" in glance
    assert "all=true" in glance
    whole = (await program.get("/jobs/bulk?q=state:failed%20arg:[]&all=true")).text
    assert "Retry 3,000 jobs?" in whole
    assert "all=true" not in whole


async def test_what_a_job_has_logged_and_kept_shows_no_secret(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job with passwords in a log line's fields, its checkpoint and its steps, then its page shows none."""
    async with client.database.connection() as connection:
        job = await connection.fetchval(WAITING)
        await connection.execute(
            "insert into job_logs (job_id, attempt, line, level, logged_at, message, fields)"
            " values ($1, 1, 1, 20, now(), 'hello', $2::json)",
            job,
            '{"password": "hunter2hunter2", "login": {"api_key": "hunter2hunter2"}, "rows": 7}',
        )
        await connection.execute(
            "insert into job_checkpoints (job_id, attempt, data)"
            """ values ($1, 1, '{"cursor": 12, "token": "hunter2hunter2"}')""",
            job,
        )
        await connection.execute(
            "insert into job_steps (job_id, name, attempt, result) values"
            """ ($1, 'sign in', 1, '{"user": "ada", "password": "hunter2hunter2"}'),"""
            """ ($1, 'fetch_token', 1, '"hunter2hunter2"')""",
            job,
        )
    page = (await program.get(f"/jobs/{job}")).text
    assert "hunter2" not in page
    for shown in ("rows=</span>7", "cursor", "sign in", "ada", MASK):
        assert shown in page, shown
