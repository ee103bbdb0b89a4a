"""The list of jobs and the page of one, without a browser."""

import re
import uuid

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
    monkeypatch.setattr(many, "GLANCE", 0.0)
    await rows.ended(client, 3_000, "failed")
    glance = (await program.get("/jobs/bulk?q=state:failed%20arg:[]")).text
    assert "Retry 2,000 jobs or more" in glance
    assert "all=true" in glance
    whole = (await program.get("/jobs/bulk?q=state:failed%20arg:[]&all=true")).text
    assert "Retry 3,000 jobs?" in whole
    assert "all=true" not in whole


async def test_what_is_kept_beside_a_job_is_shown_without_secrets(program: httpx.AsyncClient) -> None:
    new = {"actor": "welcome", "args": ["Ada"], "metadata": {"order": "order-4711", "token": "hunter2hunter2"}}
    job = (await program.post("/api/v1/jobs", json=new)).json()["id"]
    page = (await program.get(f"/jobs/{job}")).text
    assert "order-4711" in page
    assert "hunter2" not in page


async def test_its_links_find_what_has_spaces_in_its_name(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job whose owner and tag have spaces, then the links at them find it."""
    await rows.ended(client, 1)
    async with client.database.connection() as connection:
        job = await connection.fetchval("update jobs set owner = 'Ada Byron', tags = array['to be seen'] returning id")
    links = re.findall(r'href="(/jobs\?q=(?:owner|tag)[^"]*)"', (await program.get(f"/jobs/{job}")).text)
    assert len(links) == 2
    for link in links:
        assert str(job) in (await program.get(link)).text


async def test_of_many_attempts_the_latest_are_shown_and_lead_to_the_older(
    program: httpx.AsyncClient, client: Client
) -> None:
    """Given a job that has failed 120 times, then its page and the API show the latest 50, and then those before."""
    await rows.ended(client, 1, "failed")
    async with client.database.connection() as connection:
        job = await connection.fetchval("update jobs set attempt = 120 returning id")
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " select $1, n, gen_random_uuid(), now() - interval '1 s', 'ValueError', 'no', ''"
            " from generate_series(1, 120) n",
            job,
        )
    page = (await program.get(f"/jobs/{job}")).text
    assert "The latest 50 failed attempts" in page
    assert ('id="attempt-71"' in page, 'id="attempt-70"' in page) == (True, False)
    assert f"/jobs/{job}?before=71#attempts" in page
    last = (await program.get(f"/jobs/{job}?before=21")).text
    assert "20 failed attempts before attempt 21" in last
    assert "Older" not in last
    assert len((await program.get(f"/api/v1/jobs/{job}")).json()["attempts"]) == 50
    found: list[int] = []
    address = f"/api/v1/jobs/{job}/attempts"
    for following in (71, 21, None):
        answer = (await program.get(address)).json()
        found = [attempt["attempt"] for attempt in answer["attempts"]] + found
        assert answer["next"] == following
        address = f"/api/v1/jobs/{job}/attempts?before={following}"
    assert found == list(range(1, 121))


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


async def test_a_log_is_downloaded_whole(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job with more lines than its page shows, one with a secret, then the file has all of them in order,
    masked; of a filter those that fit."""
    async with client.database.connection() as connection:
        job = await connection.fetchval(WAITING)
        await connection.execute(
            "insert into job_logs (job_id, attempt, line, level, logged_at, message, fields)"
            " select $1, 1 + n / 1000, n, case when n = 7 then 40 else 20 end, now(), 'line ' || n,"
            """ case when n = 7 then '{"password": "hunter2hunter2", "rows": 3}'::json end"""
            " from generate_series(1, 1500) n",
            job,
        )
    answer = await program.get(f"/jobs/{job}/log.txt?level=&attempt=")
    assert answer.headers["content-disposition"] == f'attachment; filename="{job}.log.txt"'
    lines = answer.text.splitlines()
    assert [line.partition("line ")[2].split()[0] for line in lines] == [str(n) for n in range(1, 1501)]
    assert lines[6].endswith(f" #1 error    line 7 password={MASK} rows=3")
    (errors,) = (await program.get(f"/jobs/{job}/log.txt?level=error")).text.splitlines()
    assert errors == lines[6]
    assert len((await program.get(f"/jobs/{job}/log.txt?attempt=2")).text.splitlines()) == 501
    assert f'href="/jobs/{job}/log.txt' in (await program.get(f"/jobs/{job}")).text


async def test_the_form_of_a_log_takes_every_level(program: httpx.AsyncClient, client: Client) -> None:
    """Given the form above a log as it is sent with nothing chosen, then the page is shown, and not refused."""
    async with client.database.connection() as connection:
        job = await connection.fetchval(WAITING)
    for query in ("level=&text=", "level=&text=&attempt="):
        assert (await program.get(f"/jobs/{job}?{query}")).status_code == 200
    assert (await program.get(f"/jobs/{job}?level=nonsense")).status_code == 422


async def test_the_workflow_of_a_job_is_a_column(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs of which some are steps of a workflow, then who wants to see that column finds it there."""
    await rows.ended(client, 3)
    await rows.ended(client, 2, "failed")
    workflow = uuid.uuid4()
    async with client.database.connection() as connection:
        await connection.execute("update jobs set workflow_id = $1 where state = 'failed'", workflow)
    page = (await program.get("/jobs", headers={"Cookie": "columns=workflow"})).text
    assert page.count(f'href="/workflows/{workflow}"') == 2
