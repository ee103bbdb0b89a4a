"""`callboard webhooks …` and /api/v1/webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from db.sealing import Sealer
from runtime.client import Client
from settings import Settings
from tests.http.hostile import Receiver
from tests.test_cli import callboard
from tests.web.callers import BEARER, LOGIN, assert_problem, caller, key, started
from tests.webhooks.conftest import Carriers
from tests.webhooks.sending import ended

URL = "https://example.com/hooks"
API = "/api/v1/webhooks"


@pytest_asyncio.fixture
async def program(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with started(settings) as app, caller(app, BEARER) as program:
        yield program


async def made(program: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await program.post(f"{API}/endpoints", json={"url": URL} | fields)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_an_endpoint_by_the_api_shows_its_secret_once(program: httpx.AsyncClient) -> None:
    endpoint = await made(program, headers={"Authorization": "Bearer t0ken"}, event_types=["order.paid"])
    assert endpoint["secret"].startswith("whsec_")
    place = f"{API}/endpoints/{endpoint['id']}"
    shown = (await program.get(place)).json()
    assert "secret" not in shown
    assert shown["header_names"] == ["Authorization"]
    assert endpoint["secret"] not in json.dumps(shown)
    assert "t0ken" not in json.dumps(shown)
    rotated = (await program.post(f"{place}/rotate", json={"asymmetric": True})).json()
    assert rotated["secret"].startswith("whsk_")
    assert [one["hint"][:5] for one in (await program.get(place)).json()["secrets"]] == ["whsk_", "whsec"]
    changed = await program.put(place, json={"url": URL, "rate": 3})
    assert (changed.json()["rate"], changed.json()["header_names"]) == (3, ["Authorization"])
    assert (await program.get(f"{API}/endpoints")).json()["endpoints"][0]["id"] == endpoint["id"]
    assert (await program.delete(place)).status_code == 204
    assert_problem(await program.get(place), 404)


async def test_headers_of_another_key_are_said_to_be_so(settings: Settings, client: Client) -> None:
    """Given an endpoint whose headers were sealed with another SECRET_KEY, then the console, the API and the command
    line show it, and new headers set it right."""
    async with started(settings) as app, caller(app, BEARER) as program, caller(app, httpx.Headers(), LOGIN) as browser:
        endpoint = await made(program, headers={"Authorization": "Bearer t0ken"})
        other = Sealer(settings.model_copy(update={"secret_key": SecretStr("k" * 40)}), "webhooks")
        async with client.database.connection() as connection:
            await connection.execute(
                "update webhook_endpoints set headers = $1", other.seal('{"Authorization": "x"}', endpoint["id"])
            )
        place = f"{API}/endpoints/{endpoint['id']}"
        for shown in (
            (await program.get(place)).json(),
            (await program.get(f"{API}/endpoints")).json()["endpoints"][0],
        ):
            assert shown["header_names"] == ["(sealed with another SECRET_KEY)"]
        page = await browser.get(f"/deliveries/endpoints/{endpoint['id']}")
        assert (page.status_code, "(sealed with another SECRET_KEY)" in page.text) == (200, True)
        for command in (("show", endpoint["id"]), ("list", "--json")):
            assert "(sealed with another SECRET_KEY)" in await said("endpoints", *command)
        changed = await program.put(place, json={"url": URL, "headers": {"X-A": "b"}})
        assert changed.json()["header_names"] == ["X-A"]


@pytest.mark.parametrize("by", ["create", "rotate"])
async def test_a_secret_without_its_prefix_is_nowhere_in_clear(
    program: httpx.AsyncClient, client: Client, by: str
) -> None:
    """Given a secret of the caller's own without `whsec_`, then it gets that, and no row and no later answer has it."""
    own = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    endpoint = await made(program, **({"secret": own} if by == "create" else {}))
    place = f"{API}/endpoints/{endpoint['id']}"
    if by == "rotate":
        endpoint = (await program.post(f"{place}/rotate", json={"secret": own})).json()
    assert endpoint["secret"] == f"whsec_{own}"
    shown = (await program.get(place)).json()
    assert shown["secrets"][0]["hint"] == "whsec_…LaSw"
    assert own not in json.dumps([shown, (await program.get(f"{API}/endpoints")).json()])
    assert own not in await said("endpoints", "show", place.rpartition("/")[2])
    async with client.database.connection() as connection:
        for table in ("webhook_endpoints", "audit", "jobs"):
            assert own not in (await connection.fetchval(f"select json_agg(t)::text from {table} t") or "")


async def test_the_api_names_what_is_wrong(program: httpx.AsyncClient) -> None:
    for fields, path in (({"url": "https://10.0.0.1/"}, "url"), ({"event_types": ["no"]}, "event_types")):
        problem = assert_problem(await program.post(f"{API}/endpoints", json={"url": URL} | fields), 422)
        assert [error.path for error in problem.errors] == [path]
    assert_problem(await program.post(f"{API}/messages", json={"event_type": "no", "payload": 1}), 422)
    assert_problem(await program.post(f"{API}/send", json={"url": "https://a:b@example.com", "payload": 1}), 422)
    body = {"event_type": "order.paid", "payload": "x" * 300_000}
    assert_problem(await program.post(f"{API}/messages", json=body), 413)


async def test_two_callers_keys_are_not_one(program: httpx.AsyncClient, settings: Settings) -> None:
    """Given two programs that chose the same key, then each has a message of its own."""
    another_key = await key("another", "cb_another_secret", "admin")
    async with started(settings) as app, caller(app, another_key) as another:
        for place, body in (("messages", {"event_type": "order.paid"}), ("send", {"url": URL})):
            said = body | {"payload": {"order": 7}, "idempotency_key": place}
            posted = [await one.post(f"{API}/{place}", json=said) for one in (program, another, program)]
            assert [answer.status_code for answer in posted] == [201, 201, 200]


async def test_publish_look_and_replay_by_the_api(
    carriers: Carriers, program: httpx.AsyncClient, client: Client, here: Receiver
) -> None:
    """Given an endpoint, when an event is published, then the delivery and its attempt are to be seen, and replayed."""
    endpoint = await made(program, url=here.url("/"))
    body = {"event_type": "order.paid", "payload": {"order": 7}, "idempotency_key": "k"}
    first = await program.post(f"{API}/messages", json=body)
    second = await program.post(f"{API}/messages", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["message_id"] == second.json()["message_id"]
    await ended(client)

    [delivery] = (await program.get(f"{API}/deliveries", params={"endpoint_id": endpoint["id"]})).json()["deliveries"]
    detail = (await program.get(f"{API}/deliveries/{delivery['id']}")).json()
    assert (detail["outcome"], [one["status"] for one in detail["attempt_log"]]) == ("succeeded", [200])
    message = (await program.get(f"{API}/messages/{delivery['message_id']}")).json()
    assert message["body"]["data"] == {"order": 7}
    assert len((await program.get(f"{API}/messages")).json()["messages"]) == 1

    replayed = await program.post(f"{API}/deliveries/{delivery['id']}/replay")
    assert replayed.json()["replay_of"] == delivery["id"]
    tried = await program.post(f"{API}/deliveries/{delivery['id']}/try", json={"url": here.url("/inspect")})
    assert (tried.status_code, tried.json()["replay_of"], tried.json()["endpoint_id"]) == (201, delivery["id"], None)
    refused = await program.post(f"{API}/deliveries/{delivery['id']}/try", json={"url": "ftp://example.com/"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "url")
    tested = await program.post(f"{API}/endpoints/{endpoint['id']}/test")
    assert tested.status_code == 202
    matching = await program.post(f"{API}/replay", json={"outcomes": ["succeeded"], "rate": 100})
    assert matching.status_code == 202
    recovered = await program.post(f"{API}/endpoints/{endpoint['id']}/recover", json={"since": "2026-01-01T00:00:00Z"})
    assert recovered.status_code == 202


async def said(*arguments: str) -> str:
    """What a command that succeeded has printed."""
    done = await asyncio.to_thread(callboard, "webhooks", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def refused(*arguments: str) -> tuple[int, str]:
    """The exit code and the message of one that did not."""
    done = await asyncio.to_thread(callboard, "webhooks", *arguments)
    return done.returncode, done.stderr


async def test_the_commands(carriers: Carriers, client: Client, here: Receiver) -> None:
    """Given the command line, then an endpoint is made, an event published and its delivery shown; what makes no sense
    is refused with the exit code of its kind."""
    added = json.loads(
        await said("endpoints", "add", here.url("/"), "--header", "X-A: b", "--schedule", "5,60", "--json")
    )
    assert added["secret"].startswith("whsec_")
    assert added["schedule"] == [5, 60]
    code, message = await refused("endpoints", "add", here.url("/"), "--schedule", "soon")
    assert (code, "no list of seconds" in message) == (1, True)
    assert (await said("publish", "order.paid", "--payload", '{"order": 7}')).endswith("1 deliveries.\n")
    [delivery] = await ended(client)
    assert "#1  200" in await said("deliveries", "show", str(delivery.id))
    code, message = await refused("endpoints", "enable", added["id"])
    assert (code, "enabled already" in message) == (4, True)
    code, message = await refused("replay", str(delivery.id), "--since", "1h")
    assert (code, "not both" in message) == (1, True)
    chosen = ("replay", "--outcome", "succeeded")
    assert await said(*chosen, "--dry-run") == "1 delivery would be sent again.\n"
    code, message = await refused(*chosen)  # nobody answers
    assert (code, "Send again 1 delivery, 20 a second?" in message) == (1, True)
    assert json.loads(await said(*chosen, "--yes", "--json"))["deliveries"] == 1
    assert "It is sent there" in await said("try", str(delivery.id), here.url("/inspect"))
    code, message = await refused("endpoints", "remove", added["id"])
    assert (code, "with the record of its deliveries?" in message) == (1, True)
    await said("endpoints", "remove", added["id"], "--yes")
    code, message = await refused("send", "http://10.0.0.1/")
    assert (code, "OUTGOING_PRIVATE" in message) == (1, True)
