"""Tests of `callboard queues …` and `callboard actors …`."""

import json

from runtime.client import Client
from tests.runtime.observing import fetch
from tests.test_cli import callboard


async def test_a_queue_is_paused_and_goes_on(client: Client) -> None:
    # Given a paused queue
    done = callboard("queues", "pause", "email", "--reason", "the provider is away")
    assert (done.returncode, done.stdout) == (0, "The queue email is paused. What runs goes on.\n"), done.stderr
    # Then the list says so
    (queue,) = [queue for queue in json.loads(callboard("queues", "list", "--json").stdout) if queue["name"] == "email"]
    assert (queue["is_paused"], queue["reason"], queue["due"]) == (True, "the provider is away", 0)
    assert "the provider is away" in callboard("queues", "list").stdout
    # And pausing it again is refused, with its own exit code
    again = callboard("queues", "pause", "email", "--reason", "once more")
    assert again.returncode == 4
    assert "is paused already" in again.stderr
    # And it can go on
    assert callboard("queues", "resume", "email").returncode == 0
    assert [row["action"] for row in await fetch(client, "select action from audit order by id")] == [
        "queue.pause",
        "queue.resume",
    ]


async def test_an_actor_is_paused_and_goes_on(client: Client) -> None:
    assert callboard("actors", "pause", "send_email", "--reason", "a bug").returncode == 0
    (actor,) = [a for a in json.loads(callboard("actors", "list", "--json").stdout) if a["name"] == "send_email"]
    assert (actor["is_paused"], actor["reason"], actor["held"]) == (True, "a bug", 0)
    assert callboard("actors", "resume", "send_email").returncode == 0
    assert callboard("actors", "resume", "send_email").returncode == 4
    unknown = callboard("actors", "pause", "nobody", "--reason", "x")
    assert unknown.returncode == 1
    assert "No actor is named 'nobody'" in unknown.stderr
