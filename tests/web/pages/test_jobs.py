"""The list of jobs and the page of one, without a browser."""

import httpx
import pytest

from runtime.client import Client
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
