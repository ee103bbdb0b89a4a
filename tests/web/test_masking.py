"""What the API shows of secrets, and of the addresses of mails: as little as the console does."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from fastapi import FastAPI

from runtime.client import Client
from services import actors, email, queues, suppressions, webhook
from services.callers import of_user
from services.masking import MASK, of_mail
from services.workflows import s, start
from tests.web.callers import OWNER, caller, user
from tests.web.pages import mail
from tests.workflows.flow_actors import flow_value

SECRET = "hunter2hunter2"
DATABASE = f"postgresql://app:{SECRET}@db/app"
SHOWN = f"postgresql://app:{MASK}@db/app"
ERROR = f'{{"type": "ValueError", "message": "no password={SECRET}"}}'
JOBS = "/api/v1/scheduler/jobs"


@pytest_asyncio.fixture
async def viewer(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may only look."""
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        yield viewer


async def read(viewer: httpx.AsyncClient, path: str) -> Any:
    """What is there, and there is no secret in it."""
    answer = await viewer.get(path)
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    return answer.json()


async def test_a_schedule_shows_no_secret(
    viewer: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a schedule with a password in its arguments, by name and by place, and a run that has failed with one in
    its error, then none of them is in what the API tells of it."""
    new = {"task_function": "sign", "job_type": "interval", "schedule_config": {"hours": 1}}
    by_name = {"name": "Ada", "password": SECRET}
    named = await program.post(JOBS, json={**new, "name": "By name", "task_args": by_name})
    placed = await program.post(JOBS, json={**new, "name": "By place", "task_args": ["Ada", SECRET]})
    assert (named.json()["task_args"], placed.json()["task_args"]) == ({"name": "Ada", "password": MASK}, ["Ada", MASK])
    run = (await program.post(f"{JOBS}/{named.json()['id']}/trigger")).json()
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = 'failed', outcome = 2, finished_at = now(), error = $2::json where id = $1",
            uuid.UUID(run["job_id"]),
            ERROR,
        )
    found = (await read(viewer, JOBS))["jobs"]
    assert [one["task_args"] for one in found] == [named.json()["task_args"], placed.json()["task_args"]]
    for made in (named, placed):
        here = f"{JOBS}/{made.json()['id']}"
        shown = made.json()["task_args"]
        assert (await read(viewer, here))["task_args"] == shown
        assert [one["document"]["task_args"] for one in await read(viewer, f"{here}/versions")] == [shown]
    [execution] = (await read(viewer, "/api/v1/scheduler/executions"))["executions"]
    assert execution["error"]["message"] == f"no password={MASK}"


async def test_the_audit_keeps_no_secret(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job with a password by place, when it is run again with another one, for a reason that tells it, then
    the audit does not have the old one, and shows neither."""
    new = {"actor": "sign", "args": ["Ada", SECRET, "-"]}
    job = (await program.post("/api/v1/jobs", json=new)).json()["id"]
    async with client.database.connection() as connection:
        await connection.execute("update jobs set state = 'failed', outcome = 2, attempt = 1, finished_at = now()")
    how = {"reason": f"no password={SECRET}", "arguments": {"args": ["Ada", "another one", "-"]}}
    assert (await program.post(f"/api/v1/jobs/{job}/retry", json=how)).status_code == 200
    row = (await read(program, "/api/v1/audit?action=job.retry"))["rows"][0]
    assert row["reason"] == f"no password={MASK}"
    async with client.database.connection() as connection:
        assert SECRET not in await connection.fetchval("select details::text from audit where action = 'job.retry'")
    assert SECRET not in (await program.get(f"/jobs/{job}")).text


async def test_what_is_sent_by_hand_stands_in_the_audit(program: httpx.AsyncClient) -> None:
    """Given an endpoint, when it is sent a test, an event is published, and something is sent to an address with a
    password in it, then the audit says who did it, and does not have the password; asked for again, nothing is done."""
    new = {"url": "https://hooks.example.com/in", "event_types": ["order.paid"]}
    made = (await program.post("/api/v1/webhooks/endpoints", json=new)).json()
    assert (await program.post(f"/api/v1/webhooks/endpoints/{made['id']}/test")).status_code == 202
    event = {"event_type": "order.paid", "payload": {}, "idempotency_key": "one"}
    for status in (201, 200):
        assert (await program.post("/api/v1/webhooks/messages", json=event)).status_code == status
    one = {"url": f"https://hooks.example.com/in?token={SECRET}", "payload": {}}
    assert (await program.post("/api/v1/webhooks/send", json=one)).status_code == 201
    rows = (await read(program, "/api/v1/audit"))["rows"]
    done = ["webhook.send", "webhook.publish", "webhook.endpoint.test", "webhook.endpoint.create"]
    assert [row["action"] for row in rows] == done
    assert {row["who"] for row in rows} == {OWNER}


async def test_what_people_wrote_shows_no_secret_on_pages(program: httpx.AsyncClient, client: Client) -> None:
    """Given an error, a pause and a broken schedule that tell a password, then no page that shows them has it."""
    told = f"password={SECRET}"
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into error_groups (fingerprint, error_type, pattern, sample_job, sample_attempt, first_seen_at,"
            " last_seen_at, occurrences) values ('f1', 'ValueError', $1, gen_random_uuid(), 1, now(), now(), 1)",
            told,
        )
        await connection.execute(
            "insert into error_statistics (fingerprint, actor, starts_at, occurrences)"
            " values ('f1', 'sign', date_trunc('hour', now()), 1)"
        )
    async with client.session() as session:
        await queues.pause(session, "web-tests", who="ana", reason=told)
        await actors.pause(session, "sign", who="ana", reason=told)
        await session.commit()
    for page in ("/", "/queues", "/queues/web-tests", "/actors", "/actors/sign", "/actors/sign/enqueue"):
        answer = await program.get(page)
        assert answer.status_code == 200
        assert SECRET not in answer.text, page
    for address in ("queues", "queues/web-tests", "actors"):
        await read(program, f"/api/v1/{address}")


async def test_a_workflow_shows_no_secret(viewer: httpx.AsyncClient, client: Client) -> None:
    """Given a workflow with a password in a step's result and in its errors, then the API shows none."""
    async with client.session() as session:
        flow = (await start(session, s(flow_value, 1).named("a"))).id
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute("update workflows set error = $2::json where id = $1", flow, ERROR)
        await connection.execute(
            "update workflow_steps set error = $2::json, result = $3::json where workflow_id = $1",
            flow, ERROR, f'{{"url": "{DATABASE}"}}',
        )  # fmt: skip
        await connection.execute("update jobs set error = $2::json where workflow_id = $1", flow, ERROR)
    here = f"/api/v1/workflows/{flow}"
    [listed] = (await read(viewer, "/api/v1/workflows"))["workflows"]
    shown = await read(viewer, here)
    [step] = shown["steps"]
    [job] = await read(viewer, f"{here}/steps/a/jobs")
    assert step["result"] == {"url": SHOWN}
    for told in (listed, shown, step, job):
        assert told["error"] == {"type": "ValueError", "message": f"no password={MASK}"}


async def test_a_webhook_shows_no_secret(viewer: httpx.AsyncClient, program: httpx.AsyncClient, client: Client) -> None:
    """Given an endpoint with a password in its address, an event with one in its payload, and an attempt whose request
    and response have some, then the API shows none."""
    url, shown = f"https://example.com/hooks?token={SECRET}", f"https://example.com/hooks?token={MASK}"
    made = (await program.post("/api/v1/webhooks/endpoints", json={"url": url})).json()
    assert made["url"] == shown
    async with client.session() as session:
        sent = await webhook.publish(session, webhook.event_types()[0], {"password": SECRET})
        alone = await webhook.send(session, url, {"token": SECRET}, idempotency_key=f"token={SECRET}")
        await session.commit()
    here = "/api/v1/webhooks"
    deliveries = (await read(viewer, f"{here}/deliveries"))["deliveries"]
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into webhook_attempts (delivery_id, number, started_at, url, request_headers, status, error,"
            " response_headers, response_body, truncated)"
            " values ($1, 1, now(), $2, $3::json, 500, $4, $5::json, $6, false)",
            uuid.UUID(deliveries[0]["id"]), url, f'{{"X-Api-Key": "{SECRET}"}}', f"token={SECRET}",
            f'[["set-cookie", "session={SECRET}"], ["content-type", "text/html"]]', f'{{"password": "{SECRET}"}}',
        )  # fmt: skip
    [attempt] = (await read(viewer, f"{here}/deliveries/{deliveries[0]['id']}"))["attempt_log"]
    assert (attempt["url"], attempt["request_headers"]) == (shown, {"X-Api-Key": MASK})
    assert attempt["response_headers"] == [["set-cookie", MASK], ["content-type", "text/html"]]
    assert MASK in attempt["response_body"]
    assert {one["url"] for one in deliveries} == {None, shown}
    assert (await read(viewer, f"{here}/messages/{sent.message_id}"))["body"]["data"] == {"password": MASK}
    assert (await read(viewer, f"{here}/messages/{alone.message_id}"))["body"] == {"token": MASK}
    await read(viewer, f"{here}/messages")
    assert (await read(viewer, f"{here}/endpoints/{made['id']}"))["url"] == shown
    assert (await read(viewer, f"{here}/endpoints"))["endpoints"][0]["url"] == shown
    page = await viewer.get(f"/deliveries/webhooks/{deliveries[0]['id']}")
    assert SECRET not in page.text


def test_a_long_mail_without_addresses_is_shortened_in_no_time() -> None:
    viewer = of_user(uuid.UUID(int=1), "vera", "viewer")
    assert of_mail(["a" * 300_000, "<ada@example.com>"], viewer) == ["a" * 300_000, "<a…@example.com>"]


async def test_a_mail_shows_no_secret_and_a_viewer_no_address(
    viewer: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a mail that names its recipient, a password and what was said of them, then nobody is shown the password,
    and of the address who only looks sees the first letter; an operator sees it whole."""
    made = await mail.fill(client)
    async with client.session() as session:
        sent = await email.send(
            session, to="ada@example.com", cc="bob@example.com", subject="For ada@example.com", template="alert",
            data={"level": "error", "title": "Hello", "body": "ada@example.com", "held_back": 0, "password": SECRET},
        )  # fmt: skip
        await suppressions.add(session, "ada@example.com", "ana", note="ada@example.com asked")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(
            'update emails set refused = \'{"ada@example.com": {"code": 550, "text": "no ada@example.com"}}\','
            " accepted = array['bob@example.com'], error = 'ada@example.com: token=' || $2 where id = $1",
            sent.id, SECRET,
        )  # fmt: skip
    paths = [
        "/api/v1/emails", f"/api/v1/emails/{sent.id}", f"/api/v1/emails/{made.unknown}", "/api/v1/suppressions",
    ]  # fmt: skip
    for path in paths:
        await read(viewer, path)
        shown, whole = (await viewer.get(path)).text, (await program.get(path)).text
        assert "a…@example.com" in shown, path
        assert "ada@example.com" not in shown, path
        assert "bob@example.com" not in shown, path
        assert SECRET not in whole, path
        assert "ada@example.com" in whole, path
    detail = await read(viewer, paths[1])
    assert detail["content"]["data"]["password"] == MASK
    assert detail["refused"] == {"a…@example.com": {"code": 550, "text": "no a…@example.com"}}
    assert (await viewer.get(f"/deliveries/emails/{sent.id}")).status_code == 200
