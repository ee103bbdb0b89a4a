"""Tests of `callboard queues …`, `callboard actors …` and `callboard workers …`."""

from uuid import UUID

from runtime.client import Client
from tests.cli.callboard import callboard
from tests.runtime.observing import fetch
from tests.web.pages import rows


async def test_a_queue_is_paused_and_goes_on(client: Client) -> None:
    # Given a paused queue
    done = await callboard("queues", "pause", "email", "--reason", "the provider is away")
    assert (done.code, done.out) == (0, "The queue email is paused. What runs goes on.\n"), done.err
    # Then the list says so
    (queue,) = [queue for queue in (await callboard("queues", "list", "--json")).json if queue["name"] == "email"]
    assert (queue["is_paused"], queue["reason"], queue["due"]) == (True, "the provider is away", 0)
    assert "the provider is away" in (await callboard("queues", "list")).out
    # And pausing it again is refused, with its own exit code
    again = await callboard("queues", "pause", "email", "--reason", "once more")
    assert again.code == 4
    assert "is paused already" in again.err
    # And it can go on
    assert (await callboard("queues", "resume", "email", "--json")).json == {"name": "email", "is_paused": False}
    assert [row["action"] for row in await fetch(client, "select action from audit order by id")] == [
        "queue.pause",
        "queue.resume",
    ]


async def test_a_pause_ends_by_itself(client: Client) -> None:
    """Given a pause with an end, for some time or until a moment, then the answer and the list say when it is."""
    done = await callboard("queues", "pause", "email", "--reason", "x", "--for", "30m")
    assert done.out.startswith("The queue email is paused until 20"), done.err
    assert "paused until 20" in (await callboard("queues", "list")).out
    until = "2199-01-01T00:00:00+00:00"
    done = await callboard("actors", "pause", "send_email", "--reason", "x", "--until", until, "--json")
    assert done.json["paused_until"] == "2199-01-01T00:00:00Z"
    (actor,) = [a for a in (await callboard("actors", "list", "--json")).json if a["name"] == "send_email"]
    assert actor["paused_until"] == "2199-01-01T00:00:00Z"
    for wrong in (("--for", "soon"), ("--until", "then"), ("--until", "2001-01-01"), ("--for", "1h", "--until", until)):
        refused = await callboard("queues", "pause", "maintenance", "--reason", "x", *wrong)
        assert (refused.code, refused.out) == (1, "")
    assert await fetch(client, "select from pauses where name = 'maintenance'") == []


async def test_an_actor_is_paused_and_goes_on(client: Client) -> None:
    assert (await callboard("actors", "pause", "send_email", "--reason", "a bug")).code == 0
    (actor,) = [a for a in (await callboard("actors", "list", "--json")).json if a["name"] == "send_email"]
    assert (actor["is_paused"], actor["reason"], actor["held"]) == (True, "a bug", 0)
    assert (await callboard("actors", "resume", "send_email")).code == 0
    assert (await callboard("actors", "resume", "send_email")).code == 4
    unknown = await callboard("actors", "pause", "nobody", "--reason", "x")
    assert unknown.code == 1
    assert "No actor is named 'nobody'" in unknown.err


async def test_a_worker_is_drained_and_goes_on(client: Client) -> None:
    await rows.workers(client)
    busy = str(rows.BUSY)
    assert (await callboard("workers", "drain", busy, "--reason", "a new kernel")).out == (
        "busy 4711 takes no more jobs. It runs 0 still.\n"
    )
    (worker,) = [w for w in (await callboard("workers", "list", "--json")).json if w["id"] == busy]
    assert (worker["reason"], worker["drained_at"] is not None) == ("a new kernel", True)
    assert (worker["memory"], worker["cpu"]) == (150 * 2**20, 37.5)
    listed = (await callboard("workers", "list")).out
    for text in ("a new kernel", "150 MiB", "38 %"):
        assert text in listed
    assert (await callboard("workers", "resume", busy)).code == 0
    assert (await callboard("workers", "resume", busy)).code == 4
    assert (await callboard("workers", "drain", str(UUID(int=1)), "--reason", "x")).code == 3
