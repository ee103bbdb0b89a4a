"""Whatever is changed through the API leaves a row that says who did it: every address that changes something is asked
once, and one that is in neither of the lists below fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from runtime.client import Client
from services import workflows
from tests.web.callers import OWNER
from tests.web.pages import mail, rows
from tests.web.test_workflows import started
from tests.workflows.flow_actors import flow_collect, flow_value
from web import rules
from web.rules import SAFE_METHODS

# What changes nothing that anybody else sees, or has its own record of who did it.
EXCEPTIONS = {
    ("POST", "/jobs"): "programs make jobs by the million; each has its owner, who is shown and can be searched for",
    ("POST", "/jobs/bulk"): "the same",
    ("POST", "/scheduler/preview"): "it only computes",
}

WHY = {"reason": "a test"}
SCHEDULE = {
    "name": "Nightly", "task_function": "welcome", "task_args": ["Ada"], "job_type": "interval",
    "schedule_config": {"hours": 1},
}  # fmt: skip
PAST = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T02:00:00Z"}
ENDPOINT = {"url": "https://example.com/hooks"}
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "Curtain."}

ISSUE = {"url": "https://issues.example.com/7"}

Names = dict[str, object]
Given = Callable[[httpx.AsyncClient, Client], Awaitable[Names]]


async def nothing(program: httpx.AsyncClient, client: Client) -> Names:
    return {"name": "web-tests"}


async def post(program: httpx.AsyncClient, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = await program.post(rules.API + path, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def a_job(program: httpx.AsyncClient, client: Client) -> Names:
    return {"job_id": (await post(program, "/jobs", {"actor": "welcome", "args": ["Ada"], "delay": 60}))["id"]}


async def a_paused_job(program: httpx.AsyncClient, client: Client) -> Names:
    made = await a_job(program, client)
    await post(program, f"/jobs/{made['job_id']}/pause")
    return made


async def a_failed_job(program: httpx.AsyncClient, client: Client) -> Names:
    await rows.ended(client, 1, "failed", actor="welcome", queue="web-tests")
    async with client.database.connection() as connection:
        return {"job_id": await connection.fetchval("update jobs set args = '[\"Ada\"]' returning id")}


async def a_paused_queue(program: httpx.AsyncClient, client: Client) -> Names:
    await post(program, "/queues/web-tests/pause", WHY)
    return {"name": "web-tests"}


async def an_actor(program: httpx.AsyncClient, client: Client) -> Names:
    return {"name": "welcome"}


async def a_paused_actor(program: httpx.AsyncClient, client: Client) -> Names:
    await post(program, "/actors/welcome/pause", WHY)
    return {"name": "welcome"}


async def a_limit(program: httpx.AsyncClient, client: Client) -> Names:
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ('welcome', 3)")
    return {"name": "welcome"}


async def a_set_limit(program: httpx.AsyncClient, client: Client) -> Names:
    made = await a_limit(program, client)
    answer = await program.put(f"{rules.API}/actors/welcome/limits", json=WHY | {"concurrency": 1})
    assert answer.is_success, answer.text
    return made


async def a_worker(program: httpx.AsyncClient, client: Client) -> Names:
    await rows.workers(client)
    return {"worker_id": rows.BUSY}


async def a_drained_worker(program: httpx.AsyncClient, client: Client) -> Names:
    made = await a_worker(program, client)
    await post(program, f"/workers/{rows.BUSY}/drain", WHY)
    return made


async def a_workflow(program: httpx.AsyncClient, client: Client) -> Names:
    first = workflows.si(flow_value, 1).named("first")
    return {"workflow_id": await started(client, workflows.chain(first, workflows.s(flow_collect)))}


async def a_workflow_that_waits(program: httpx.AsyncClient, client: Client) -> Names:
    flow = workflows.chain(workflows.wait_for("approved"), workflows.s(flow_collect))
    return {"workflow_id": await started(client, flow), "name": "approved"}


async def a_paused_workflow(program: httpx.AsyncClient, client: Client) -> Names:
    made = await a_workflow(program, client)
    await post(program, f"/workflows/{made['workflow_id']}/pause", {})
    return made


async def a_cancelled_workflow(program: httpx.AsyncClient, client: Client) -> Names:
    made = await a_workflow(program, client)
    await post(program, f"/workflows/{made['workflow_id']}/cancel", {})
    return made


async def an_endpoint(program: httpx.AsyncClient, client: Client) -> Names:
    return {"endpoint_id": (await post(program, "/webhooks/endpoints", ENDPOINT))["id"]}


async def a_disabled_endpoint(program: httpx.AsyncClient, client: Client) -> Names:
    made = await an_endpoint(program, client)
    await post(program, f"/webhooks/endpoints/{made['endpoint_id']}/disable", WHY)
    return made


async def mails(program: httpx.AsyncClient, client: Client) -> Names:
    made = await mail.fill(client)
    return {
        "email_id": made.unknown, "delivery_id": made.delivery, "endpoint_id": made.endpoint,
        "address": "gone@example.com",
    }  # fmt: skip


async def a_schedule(program: httpx.AsyncClient, client: Client) -> Names:
    return {"schedule_id": (await post(program, "/scheduler/jobs", SCHEDULE))["id"]}


async def an_old_schedule(program: httpx.AsyncClient, client: Client) -> Names:
    new = SCHEDULE | {"start_at": "2025-01-01T00:00:00Z"}
    return {"schedule_id": (await post(program, "/scheduler/jobs", new))["id"]}


async def a_disabled_schedule(program: httpx.AsyncClient, client: Client) -> Names:
    return {"schedule_id": (await post(program, "/scheduler/jobs", SCHEDULE | {"enabled": False}))["id"]}


async def a_user(program: httpx.AsyncClient, client: Client) -> Names:
    await post(program, "/users", {"name": "bea"})
    return {"name": "bea"}


async def a_key(program: httpx.AsyncClient, client: Client) -> Names:
    await post(program, "/keys", {"name": "ci", "scopes": ["read"]})
    return {"name": "ci"}


async def an_error(program: httpx.AsyncClient, client: Client) -> Names:
    await rows.error_group(client, ISSUE["url"])
    return {"fingerprint": rows.FINGERPRINT}


@dataclass(frozen=True)
class Deed:
    """What is asked for, of what, and the action that the audit has then."""

    action: str
    given: Given = field(default=nothing)
    body: dict[str, Any] | None = None


DEEDS = {
    ("POST", "/jobs/actions"): Deed("jobs.cancel", body={"action": "cancel", "filter": {"actor": "welcome"}}),
    ("POST", "/jobs/{job_id}/pause"): Deed("job.pause", a_job),
    ("POST", "/jobs/{job_id}/resume"): Deed("job.resume", a_paused_job),
    ("POST", "/jobs/{job_id}/cancel"): Deed("job.cancel", a_job),
    ("DELETE", "/jobs/{job_id}"): Deed("job.cancel", a_job),
    ("POST", "/jobs/{job_id}/run-now"): Deed("job.run_now", a_job),
    ("POST", "/jobs/{job_id}/move"): Deed("job.move", a_job, {"to_priority": 5}),
    ("POST", "/jobs/{job_id}/retry"): Deed("job.retry", a_failed_job),
    ("POST", "/jobs/{job_id}/copy"): Deed("job.copy", a_job),
    ("POST", "/dead-letters/{job_id}/retry"): Deed("job.retry", a_failed_job),
    ("DELETE", "/dead-letters/{job_id}"): Deed("job.delete", a_failed_job),
    ("POST", "/queues/{name}/pause"): Deed("queue.pause", body=WHY),
    ("POST", "/queues/{name}/resume"): Deed("queue.resume", a_paused_queue),
    ("POST", "/actors/{name}/pause"): Deed("actor.pause", an_actor, WHY),
    ("POST", "/actors/{name}/resume"): Deed("actor.resume", a_paused_actor),
    ("PUT", "/actors/{name}/limits"): Deed("limit.set", a_limit, WHY | {"concurrency": 5}),
    ("DELETE", "/actors/{name}/limits"): Deed("limit.reset", a_set_limit),
    ("POST", "/workers/{worker_id}/drain"): Deed("worker.pause", a_worker, WHY),
    ("POST", "/workers/{worker_id}/resume"): Deed("worker.resume", a_drained_worker),
    ("POST", "/workflows/{workflow_id}/cancel"): Deed("workflow.cancel", a_workflow, {}),
    ("POST", "/workflows/{workflow_id}/pause"): Deed("workflow.pause", a_workflow, {}),
    ("POST", "/workflows/{workflow_id}/resume"): Deed("workflow.resume", a_paused_workflow, {}),
    ("POST", "/workflows/{workflow_id}/retry"): Deed("workflow.retry", a_cancelled_workflow, {}),
    ("POST", "/workflows/{workflow_id}/rerun"): Deed("workflow.rerun", a_cancelled_workflow, {"step": "first"}),
    ("POST", "/workflows/{workflow_id}/skip"): Deed("workflow.skip", a_cancelled_workflow, {"step": "first"}),
    ("POST", "/workflows/{workflow_id}/events/{name}"): Deed("workflow.event", a_workflow_that_waits, {}),
    ("POST", "/webhooks/endpoints"): Deed("webhook.endpoint.create", body=ENDPOINT),
    ("PUT", "/webhooks/endpoints/{endpoint_id}"): Deed("webhook.endpoint.update", an_endpoint, ENDPOINT),
    ("DELETE", "/webhooks/endpoints/{endpoint_id}"): Deed("webhook.endpoint.delete", an_endpoint),
    ("POST", "/webhooks/endpoints/{endpoint_id}/enable"): Deed("webhook.endpoint.enable", a_disabled_endpoint),
    ("POST", "/webhooks/endpoints/{endpoint_id}/disable"): Deed("webhook.endpoint.disable", an_endpoint, WHY),
    ("POST", "/webhooks/endpoints/{endpoint_id}/rotate"): Deed("webhook.endpoint.rotate", an_endpoint, {}),
    ("POST", "/webhooks/endpoints/{endpoint_id}/test"): Deed("webhook.endpoint.test", an_endpoint),
    ("POST", "/webhooks/endpoints/{endpoint_id}/recover"): Deed(
        "webhook.replay", an_endpoint, {"since": PAST["start"]}
    ),
    ("POST", "/webhooks/messages"): Deed("webhook.publish", body={"event_type": "webhook.test", "payload": 1}),
    ("POST", "/webhooks/send"): Deed("webhook.send", body=ENDPOINT | {"payload": 1}),
    ("POST", "/webhooks/deliveries/{delivery_id}/replay"): Deed("webhook.delivery.replay", mails),
    ("POST", "/webhooks/deliveries/{delivery_id}/try"): Deed(
        "webhook.delivery.try", mails, {"url": "https://inspect.example.com/"}
    ),
    ("POST", "/webhooks/replay"): Deed("webhook.replay", body={"outcomes": ["exhausted"]}),
    ("POST", "/scheduler/jobs"): Deed("schedule.create", body=SCHEDULE),
    ("PUT", "/scheduler/jobs/{schedule_id}"): Deed("schedule.edit", a_schedule, SCHEDULE | {"name": "Daily"}),
    ("PATCH", "/scheduler/jobs/{schedule_id}"): Deed("schedule.edit", a_schedule, {"name": "Daily"}),
    ("DELETE", "/scheduler/jobs/{schedule_id}"): Deed("schedule.delete", a_schedule),
    ("POST", "/scheduler/jobs/{schedule_id}/trigger"): Deed("schedule.trigger", a_schedule),
    ("POST", "/scheduler/jobs/{schedule_id}/backfill"): Deed("schedule.backfill", an_old_schedule, PAST),
    ("POST", "/scheduler/jobs/{schedule_id}/enable"): Deed("schedule.enable", a_disabled_schedule),
    ("POST", "/scheduler/jobs/{schedule_id}/disable"): Deed("schedule.disable", a_schedule),
    ("POST", "/emails"): Deed("email.send", body=MAIL),
    ("POST", "/emails/{email_id}/resend"): Deed("email.resend", mails, {}),
    ("POST", "/emails/resend"): Deed("email.resend_matching", body={"status": "unknown"}),
    ("POST", "/suppressions"): Deed("suppression.add", body={"address": "ada@example.com"}),
    ("DELETE", "/suppressions/{address}"): Deed("suppression.remove", mails),
    ("POST", "/errors/{fingerprint}/mute"): Deed("error.mute", an_error),
    ("POST", "/errors/{fingerprint}/unmute"): Deed("error.unmute", an_error),
    ("POST", "/errors/{fingerprint}/resolve"): Deed("error.resolve", an_error),
    ("POST", "/errors/{fingerprint}/reopen"): Deed("error.reopen", an_error),
    ("PUT", "/errors/{fingerprint}/issue"): Deed("error.link", an_error, ISSUE),
    ("DELETE", "/errors/{fingerprint}/issue"): Deed("error.unlink", an_error),
    ("POST", "/users"): Deed("user.create", body={"name": "bea"}),
    ("PATCH", "/users/{name}"): Deed("user.set_role", a_user, {"role": "operator"}),
    ("POST", "/users/{name}/sign-out"): Deed("user.sign_out", a_user),
    ("POST", "/keys"): Deed("key.create", body={"name": "ci", "scopes": ["read"]}),
    ("POST", "/keys/{name}/rotate"): Deed("key.rotate", a_key),
    ("DELETE", "/keys/{name}"): Deed("key.revoke", a_key),
}


async def test_every_address_that_changes_something_is_in_a_list(app: FastAPI) -> None:
    served = {
        (method, (route.path or "").removeprefix(rules.API))
        for route in iter_route_contexts(app.routes)
        if (route.path or "").startswith(rules.API)
        for method in (route.methods or set()) - set(SAFE_METHODS)
    }
    assert served == DEEDS.keys() | EXCEPTIONS.keys()
    assert not DEEDS.keys() & EXCEPTIONS.keys()


@pytest.mark.parametrize(("asked", "deed"), DEEDS.items(), ids=[" ".join(asked) for asked in DEEDS])
async def test_who_did_it_is_in_the_audit(
    program: httpx.AsyncClient, client: Client, asked: tuple[str, str], deed: Deed
) -> None:
    """Given what it needs, when it is done, then the audit has one row more, which says who did what."""
    method, path = asked
    names = await deed.given(program, client)
    async with client.database.connection() as connection:
        before = await connection.fetchval("select coalesce(max(id), 0) from audit")
        answer = await program.request(method, rules.API + path.format(**names), json=deed.body)
        assert answer.is_success, answer.text
        done = await connection.fetch("select who, action from audit where id > $1", before)
    assert [tuple(row) for row in done] == [(OWNER, deed.action)]
