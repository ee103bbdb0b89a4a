"""What the page of a job shows beside the job itself."""

import re
import uuid

import httpx
import orjson

from runtime.client import Client
from services import related
from services.masking import MASK
from tests.web.pages import rows

A_JOB = """
insert into jobs (id, actor, queue, args, kwargs, state, attempt, started_at, worker, parent_id, unique_key,
                  workflow_id, step_run, item)
values ($1, 'resize', 'q', '[]', $2, 'running', 1, now(), $3, $4, 'thumb', $5, $6, 5)
"""
OTHERS = """
insert into jobs (id, actor, queue, args, kwargs, parent_id, workflow_id, step_run, item)
select gen_random_uuid(), $1, 'q', '[]', '{}', $2, $3, $4, n from generate_series(0, 10) n
"""
RUN = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by, reason)
values (gen_random_uuid(), $1, 'nightly', now() + make_interval(hours => $2), $3, $4, 'schedule', 'not now')
"""


async def test_a_few_of_those_that_have_to_do_with_it_are_shown(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job among ten of its parent, ten of its workflow's step and five runs of its schedule, then a few of each
    are linked, those beside it, and where all of them are."""
    await rows.workers(client)
    job, parent, flow, step, schedule = (uuid.uuid4() for _ in range(5))
    async with client.database.connection() as connection:
        await connection.execute(A_JOB, job, '{"token": "hunter2hunter2"}', rows.BUSY, parent, flow, step)
        await connection.execute(OTHERS, "sibling", parent, None, None)
        await connection.execute(OTHERS, "beside", None, flow, step)
        for hours in range(-2, 3):
            await connection.execute(RUN, schedule, hours, "skipped" if hours else "fired", None if hours else job)
    page = (await program.get(f"/jobs/{job}")).text
    shown = page[page.index('id="related"') : page.index("What people did")]
    assert shown.count("sibling</a>") == related.FEW
    assert shown.count("beside</a>") == related.FEW
    assert shown.count("no job") == 4
    for address in (f"/jobs?q=parent%3A{parent}", f"/workflows/{flow}"):
        assert f'href="{address}"' in shown
    assert "busy:4711</a>, release 1.0" in page


async def test_another_that_has_its_unique_key_now_is_linked(program: httpx.AsyncClient, client: Client) -> None:
    await rows.ended(client, 1, actor="before")
    async with client.database.connection() as connection:
        before = await connection.fetchval("update jobs set unique_key = 'k' returning id")
        await rows.live(client, 1, actor="after")
        await connection.execute("update jobs set unique_key = 'k'")
    page = (await program.get(f"/jobs/{before}")).text
    assert "Has its unique key now" in page
    assert page.count("after</a>") == 1


async def test_its_message_is_shown_without_secrets(program: httpx.AsyncClient) -> None:
    """Given a job with a password among its arguments, then its message is there as Dramatiq would have it, masked."""
    new = {"actor": "welcome", "args": ["Ada"], "time_limit": 5_000, "delay": 3_600, "priority": -2}
    job = (await program.post("/api/v1/jobs", json=new)).json()["id"]
    page = (await program.get(f"/jobs/{job}")).text
    (text,) = re.findall(r'<pre id="message-text" hidden>(.*?)</pre>', page, re.DOTALL)
    message = orjson.loads(text.replace("&#34;", '"'))
    assert (message["actor_name"], message["message_id"], message["args"]) == ("welcome", job, ["Ada"])
    assert message["options"] == {"time_limit": 5_000, "redis_message_id": f"-2:0:{job}", "attempt": 0}
    assert "As it will be sent to Redis" in page
    await program.delete(f"/api/v1/jobs/{job}")
    assert f"-2:0:{job}" in (await program.get(f"/jobs/{job}")).text


async def test_a_message_that_was_sent_hides_its_secrets(program: httpx.AsyncClient, client: Client) -> None:
    job = uuid.uuid4()
    async with client.database.connection() as connection:
        await connection.execute(A_JOB, job, '{"token": "hunter2hunter2"}', rows.BUSY, None, None, None)
    page = (await program.get(f"/jobs/{job}")).text
    assert "hunter2" not in page
    assert MASK in page[page.index('id="message"') :]
    assert f"0:0:{job}" in page


async def test_a_group_of_errors_says_which_workers_have_seen_it(program: httpx.AsyncClient, client: Client) -> None:
    """Given an error that a living worker has seen twice and a gone one once, then both are named with their number."""
    await rows.workers(client)
    await rows.ended(client, 3, "failed")
    gone = uuid.uuid4()
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " select id, 1, case when row_number() over () < 3 then $1::uuid else $2 end, now(), 'ValueError', 'no', ''"
            " from jobs",
            rows.BUSY, gone,
        )  # fmt: skip
        group = await connection.fetchval(
            "insert into error_groups (fingerprint, error_type, pattern, first_seen_at, last_seen_at, occurrences,"
            " sample_job, sample_attempt) select fingerprint, error_type, pattern, now(), now(), 3, job_id, attempt"
            " from job_attempts limit 1 returning fingerprint"
        )
    page = (await program.get(f"/errors/{group}")).text
    assert re.search(r'>busy:4711</a> <span class="muted">1.0</span></dt><dd>2</dd>', page)
    assert re.search(rf'>{str(gone)[-12:]}</a> <span class="muted">gone</span></dt><dd>1</dd>', page)
