"""dramatiq-dashboard behind our login, on a queue that holds messages."""

import re
import time

import httpx
import pytest

from runtime.client import Client
from runtime.transport import HEARTBEATS, Keys
from tests.support.waiting import wait_for
from tests.web.callers import assert_problem

QUEUE = "/dramatiq/queues/web-tests"


async def enqueue(program: httpx.AsyncClient, person: httpx.AsyncClient) -> tuple[str, str]:
    """A job whose message is in Redis: the job's id, and the queue's page that shows it."""
    response = await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["<b>Ada</b>"]})
    job_id: str = response.json()["id"]

    async def page() -> str:
        text = await shown(person, QUEUE)
        return text if "welcome(" in text else ""

    return job_id, await wait_for(page)  # it is sent behind the caller


async def shown(person: httpx.AsyncClient, address: str) -> str:
    response = await person.get(address, follow_redirects=True)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


async def test_its_pages_show_the_messages(person: httpx.AsyncClient, program: httpx.AsyncClient) -> None:
    # Given a job that waits in Redis
    job_id, page = await enqueue(program, person)

    # When a person opens the dashboard, the queue and the message, then it is there, as text and not as HTML
    assert "web-tests" in await shown(person, "/dramatiq")
    assert "&lt;b&gt;Ada&lt;/b&gt;" in page
    assert "<b>Ada</b>" not in page
    (address,) = re.findall(rf'href="({QUEUE}/standard/[^"]+)"', page)
    assert job_id in await shown(person, address)
    for tab in ("delayed", "failed"):
        assert "There are no jobs in this queue." in await shown(person, f"{QUEUE}/{tab}")


async def test_its_workers_are_counted_without_a_walk_through_redis(person: httpx.AsyncClient, client: Client) -> None:
    """Given a worker that has fetched three messages of two queues, then the first page says so, and has not looked
    through all keys that there are."""
    await client.redis.zadd(HEARTBEATS, {"a-worker": time.time() * 1000})
    await client.redis.sadd(Keys.acks("a-worker", "web-tests"), "1", "2")
    await client.redis.sadd(Keys.acks("a-worker", "email"), "3")
    await client.redis.config_resetstat()
    page = await shown(person, "/dramatiq/")
    (row,) = re.findall(r"<tr>\s*<td[^>]*>\s*a-worker.*?</tr>", page, re.DOTALL)
    assert re.search(r">\s*3\s*<", row)
    commands = await client.redis.info("commandstats")
    assert "cmdstat_zrange" in commands
    assert "cmdstat_keys" not in commands


async def test_its_forms_work_for_our_own_pages_only(person: httpx.AsyncClient, program: httpx.AsyncClient) -> None:
    # Given the form that deletes a message
    _, page = await enqueue(program, person)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page))
    assert fields.keys() == {"__dd_csrf", "id", "queue"}

    # When another site's page sends it
    forged = await person.post("/dramatiq/delete-message", data=fields, headers={"Sec-Fetch-Site": "cross-site"})

    # Then nothing happens
    assert_problem(forged, 403)
    assert fields["id"] in await shown(person, QUEUE)

    # When the page itself sends it, then the message is gone
    response = await person.post("/dramatiq/delete-message", data=fields)
    assert (response.status_code, response.headers["location"]) == (302, f"{QUEUE}/standard")
    assert fields["id"] not in await shown(person, QUEUE)


async def test_what_is_done_to_a_message_is_in_the_audit(
    person: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a message, when its deletion is refused, then the audit has nothing; when it is deleted, who did it."""
    _, page = await enqueue(program, person)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page))
    wrong = await person.post("/dramatiq/delete-message", data=fields | {"__dd_csrf": "x"})
    assert wrong.status_code == 403
    assert await deeds(client) == []
    await person.post("/dramatiq/delete-message", data=fields)
    assert await deeds(client) == [("admin", "message.delete", fields["id"], {"queue": "web-tests"})]


async def deeds(client: Client) -> list[tuple[object, ...]]:
    async with client.database.connection() as connection:
        found = await connection.fetch("select who, action, target, details from audit where action like 'message.%'")
    return [tuple(row) for row in found]


async def test_a_style_sheet_and_nothing_else_may_be_loaded(person: httpx.AsyncClient) -> None:
    policy = (await person.get("/dramatiq/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("address", [f"{QUEUE}?cursor=abc", f"{QUEUE}/standard?cursor=%00"])
async def test_an_address_it_cannot_read_is_no_failure(person: httpx.AsyncClient, address: str) -> None:
    assert "/dramatiq/" in assert_problem(await person.get(address), 422).detail


@pytest.mark.parametrize("form", [b"", b"queue=web-tests", b"__dd_csrf=%ff", b"\xff=\xff"])
async def test_a_form_it_cannot_read_is_no_failure(person: httpx.AsyncClient, form: bytes) -> None:
    response = await person.post("/dramatiq/requeue-message", content=form)
    assert response.status_code in (403, 422)


async def test_what_it_does_not_have_is_not_found(person: httpx.AsyncClient) -> None:
    assert (await person.get("/dramatiq/nothing")).status_code == 404
    assert (await person.get("/dramatiq/a%0Ab")).status_code in (404, 422)


async def test_its_pages_show_no_secret(person: httpx.AsyncClient, program: httpx.AsyncClient) -> None:
    # Given a message with passwords among its arguments
    job = {"actor": "sign", "args": ["ada", "s3cret-one"], "metadata": {"token": "s3cret"}}
    await program.post("/api/v1/jobs", json=job)

    async def page() -> str:
        text = await shown(person, QUEUE)
        return text if "sign(" in text else ""

    # Then neither the queue's page nor the message's own shows them
    listed: str = await wait_for(page)
    (address,) = re.findall(rf'href="({QUEUE}/standard/[^"]+)"', listed)
    one = await shown(person, address)
    assert "ada" in listed
    assert "ada" in one
    assert "********" in one
    assert "s3cret" not in listed + one
