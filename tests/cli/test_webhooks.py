"""`callboard webhooks …` where no worker is needed, and what the audit has of the commands that make something."""

from runtime.client import Client
from tests.cli.callboard import callboard

URL = "https://example.com/hooks?token=hunter2hunter2"


async def test_the_audit_has_what_was_sent_and_by_whom(client: Client) -> None:
    """Given an endpoint, when it is tested, an event is published, one address is posted to and a job is enqueued, then
    the audit has each once, also where a key makes no second message."""
    endpoint = (await callboard("webhooks", "endpoints", "add", URL, "--json")).json["id"]
    assert (await callboard("webhooks", "endpoints", "test", endpoint)).code == 0
    for _ in range(2):
        assert (await callboard("webhooks", "publish", "order.paid", "--key", "order-7")).code == 0
        assert (await callboard("webhooks", "send", URL, "--key", "order-8")).code == 0
    job = (await callboard("enqueue", "cleanup_completed_jobs", "--json")).json["id"]
    async with client.database.connection() as connection:
        rows = await connection.fetch("select who, action, target, job_id, details::text as details from audit")
    assert [row["action"] for row in rows] == [
        "webhook.endpoint.create", "webhook.endpoint.test", "webhook.publish", "webhook.send", "job.enqueue",
    ]  # fmt: skip
    assert {row["who"].partition(":")[0] for row in rows} == {"cli"}
    assert rows[1]["target"] == endpoint
    assert str(rows[4]["job_id"]) == job
    assert "hunter2" not in (rows[3]["details"] or "")


async def test_a_deletion_says_how_many_deliveries_wait(client: Client) -> None:
    """Given an endpoint with two deliveries that wait, then the question names them, and nobody answers: it stays."""
    endpoint = (await callboard("webhooks", "endpoints", "add", URL, "--json")).json["id"]
    for _ in range(2):
        assert (await callboard("webhooks", "endpoints", "test", endpoint)).code == 0
    asked = await callboard("webhooks", "endpoints", "remove", endpoint)
    assert (asked.code, "2 deliveries wait to be sent." in asked.err) == (1, True)
    assert (await callboard("webhooks", "endpoints", "show", endpoint)).code == 0
