"""The list of jobs and the page of one, without a browser."""

import httpx
import pytest

from runtime.client import Client

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
