"""The guarded client against receivers that mean no good."""

import asyncio
import time
import tracemalloc
from pathlib import Path

import pytest

from errors import Ambiguous, BadArguments, DeliveryError, NotSent, Rejected
from providers.http import Destinations, FixedResolver, GuardedClient, Networks, Progress, Response
from tests.email.certificates import Authority
from tests.http.hostile import Receiver, bomb, receiver, tunnel

DEADLINE = 1.0  # seconds
IN_TIME = 30.0  # a busy machine adds to the deadline; what is waited for would take minutes

LOOPBACK = Destinations(schemes=frozenset({"http", "https"}), ports=None, private=Networks(["127.0.0.0/8"]))
NOWHERE = Destinations(schemes=frozenset({"http", "https"}), ports=None)


async def post(here: Receiver, path: str, *, deadline: float = 20, most: int = 16_384) -> Response:
    client = GuardedClient(LOOPBACK)
    try:
        return await client.request("POST", here.url(f"/{path}"), body=b"{}", deadline=deadline, most=most)
    finally:
        await client.close()


async def test_a_request_arrives_as_it_was_meant() -> None:
    """Given a receiver, when a request is sent, then it has the body, our headers, and asks for no compression."""
    client = GuardedClient(LOOPBACK)
    async with receiver() as here:
        url = here.url("/in?a=%20b")
        response = await client.request("POST", url, headers={"X-Id": "7"}, body=b'{"a":1}', deadline=20)
        await client.close()

    [received] = here.received
    assert response.is_success
    assert response.address == "127.0.0.1"
    assert (received.method, received.path, received.body) == ("POST", "/in?a=%20b", b'{"a":1}')
    assert received.headers["host"] == f"127.0.0.1:{here.port}"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["x-id"] == "7"
    assert response.timings.first_byte is not None
    assert response.timings.total >= response.timings.first_byte


async def test_connections_are_used_again() -> None:
    client = GuardedClient(LOOPBACK)
    async with receiver() as here:
        for _ in range(5):
            await client.request("POST", here.url(), deadline=20)
        await client.close()
    assert here.connections == 1


@pytest.mark.parametrize("path", ["/more-than-asked", "/last-words"])
async def test_a_connection_that_is_good_for_no_more_is_not_used_again(path: str) -> None:
    """Given a receiver that sends an answer nobody asked for, or hangs up after one, when the next request is sent,
    then it has a connection of its own and its own answer."""
    client = GuardedClient(LOOPBACK)
    async with receiver() as here:
        for _ in range(3):
            assert (await client.request("POST", here.url(path), deadline=20)).status == 200
        assert (await client.request("POST", here.url("/201"), deadline=20)).status == 201
        await client.close()
    assert here.connections == 4


@pytest.mark.parametrize(
    ("path", "error", "code"),
    [
        ("drip-headers", Ambiguous, "timeout_total"),
        ("silence", Ambiguous, "timeout_total"),
        ("reset", Ambiguous, "reset"),
        ("huge-headers", Ambiguous, "protocol"),
        ("nonsense", Ambiguous, "protocol"),
    ],
)
async def test_an_answer_that_never_comes_right_is_a_lost_one(path: str, error: type[DeliveryError], code: str) -> None:
    """Given a hostile receiver, when a request is sent, then it ends in time, once, as possibly received."""
    began = time.monotonic()
    async with receiver() as here:
        with pytest.raises(error) as raised:
            await post(here, path, deadline=DEADLINE if code == "timeout_total" else 60)
        assert time.monotonic() - began < IN_TIME
    assert raised.value.code == code
    assert len(here.received) == 1


async def test_a_status_that_came_counts_though_its_body_drips_on() -> None:
    """Given a body of one byte now and then, when the deadline is over, then what came is the answer."""
    began = time.monotonic()
    async with receiver() as here:
        response = await post(here, "drip-body", deadline=DEADLINE)
    assert time.monotonic() - began < IN_TIME
    assert response.is_success
    assert response.truncated


async def test_a_bomb_is_not_unpacked_and_an_endless_body_is_cut() -> None:
    """Given bodies without bounds, when they are answered, then no more than the limit is in memory."""
    async with receiver() as here:
        bomb()  # packed now: what is measured is the receiving
        tracemalloc.start()
        packed = await post(here, "bomb", most=16_384)
        endless = await post(here, "endless", most=16_384)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (len(packed.body), packed.truncated) == (16_384, True)
    assert (len(endless.body), endless.truncated) == (16_384, True)
    assert peak < 2_000_000  # the server's own 50 kB and buffers included


async def test_a_body_that_ends_too_early_is_marked() -> None:
    async with receiver() as here:
        response = await post(here, "short")
    assert (response.status, response.body, response.truncated) == (200, b"half", True)


async def test_whatever_text_comes_can_be_stored() -> None:
    """Given NUL, bytes that are no UTF-8 and Latin-1 headers, when they come back, then all of it is storable text."""
    async with receiver() as here:
        nul = await post(here, "nul")
        other = await post(here, "not-utf8")
        hints = await post(here, "early-hints")
    assert nul.text == "a\N{REPLACEMENT CHARACTER}b"
    assert other.text.endswith("A")
    assert other.header("X-Reason") == "café"
    assert (hints.status, hints.body) == (200, b"done")


async def test_a_redirect_is_an_answer_and_not_a_destination() -> None:
    async with receiver() as here:
        response = await post(here, "redirect")
    assert response.status == 307
    assert not response.is_success
    assert [request.path for request in here.received] == ["/redirect"]


async def test_a_name_that_leads_inside_is_refused_and_nothing_connects() -> None:
    """Given names that resolve to loopback, alone or among public addresses, when they are used, then no connection."""
    resolver = FixedResolver({"inside.test": [["127.0.0.1"]], "mixed.test": [["8.8.8.8", "127.0.0.1"]]})
    client = GuardedClient(NOWHERE, resolver=resolver)
    async with receiver() as here:
        for name in ("inside.test", "mixed.test"):
            with pytest.raises(Rejected) as raised:
                await client.request("POST", here.url("/", name), deadline=20)
            assert raised.value.code == "blocked_address"
        await client.close()
    assert here.connections == 0


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """Given a name that is allowed once and leads inside afterwards, then it is asked once for each connection, and the
    second answer is checked as the first was."""
    private = Networks(["127.0.0.1/32"])
    resolver = FixedResolver({"rebinding.test": [["127.0.0.1"], ["127.0.0.2"]]})
    client = GuardedClient(Destinations(LOOPBACK.schemes, None, private), resolver=resolver)
    async with receiver() as here:
        url = here.url("/", "rebinding.test")
        assert (await client.request("POST", url, headers={"Connection-Id": "1"}, deadline=20)).is_success
        await client.close()
        assert resolver.asked == ["rebinding.test"]
        assert here.received[0].headers["host"] == f"rebinding.test:{here.port}"
        with pytest.raises(Rejected):
            await client.request("POST", url, deadline=20)


async def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    """Given a certificate of another name, when its address is used, then nothing is sent; with the right one it is."""
    authority = Authority(tmp_path)
    (tmp_path / "ca.pem").write_text(authority.pem)
    resolver = FixedResolver({"right.test": [["127.0.0.1"]], "wrong.test": [["127.0.0.1"]]})
    client = GuardedClient(LOOPBACK, resolver=resolver, ca_file=tmp_path / "ca.pem")
    async with receiver(authority.server("right.test")) as here:
        with pytest.raises(NotSent) as raised:
            await client.request("POST", here.url("/", "wrong.test"), deadline=20)
        assert raised.value.code == "tls"
        assert here.received == []
        assert (await client.request("POST", here.url("/", "right.test"), deadline=20)).is_success
        await client.close()
    assert len(here.received) == 1


async def test_a_slow_or_unknown_name_is_not_sent() -> None:
    client = GuardedClient(LOOPBACK, resolver=FixedResolver({"slow.test": [["127.0.0.1"]]}, delay=600))
    began = time.monotonic()
    with pytest.raises(NotSent) as raised:
        await client.request("POST", "http://slow.test:9/", deadline=DEADLINE)
    assert raised.value.code == "timeout_connect"
    assert time.monotonic() - began < IN_TIME

    unknown = GuardedClient(LOOPBACK, resolver=FixedResolver({}))
    with pytest.raises(NotSent) as raised:
        await unknown.request("POST", "http://unknown.test:9/", deadline=20)
    assert raised.value.code == "dns"


async def test_nobody_there_is_not_sent() -> None:
    async with receiver() as here:
        port = here.port
    with pytest.raises(NotSent) as raised:
        await GuardedClient(LOOPBACK).request("POST", f"http://127.0.0.1:{port}/", deadline=20)
    assert raised.value.code == "connect"


async def test_without_an_answer_it_is_known_where_a_request_went_and_how_far_it_got() -> None:
    """Given nobody at the first address, and silence after that, then each says so; through a proxy, no address."""
    async with receiver() as gone:
        pass
    refused, silent, proxied = Progress(), Progress(), Progress()
    with pytest.raises(NotSent):
        await GuardedClient(LOOPBACK).request("POST", gone.url(), deadline=20, progress=refused)
    async with receiver() as here:
        with pytest.raises(Ambiguous):
            await GuardedClient(LOOPBACK).request("POST", here.url("/silence"), deadline=DEADLINE, progress=silent)
        through = GuardedClient(NOWHERE, proxy=here.url())
        await through.request("POST", "http://far.test/", deadline=20, progress=proxied)
        await through.close()
    assert (refused.address, silent.address, proxied.address) == ("127.0.0.1", "127.0.0.1", None)
    assert list(refused.timings.as_json()) == ["resolved", "total"]
    assert list(silent.timings.as_json()) == ["resolved", "connected", "sent", "total"]


async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a proxy in the environment, when a request is sent, then it goes where it was sent."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with receiver() as here:
        assert (await post(here, "200")).is_success


async def test_a_proxy_that_is_set_gets_the_request() -> None:
    """Given a proxy, when a request goes to a name, then the proxy has it, and no name was looked up here."""
    async with receiver() as proxy:
        client = GuardedClient(NOWHERE, proxy=proxy.url())
        assert (await client.request("POST", "http://far.test/in", deadline=20)).is_success
        with pytest.raises(BadArguments):
            await client.request("POST", "http://127.0.0.1/", deadline=20)
        await client.close()
    assert [request.path for request in proxy.received] == ["http://far.test/in"]


async def test_a_proxy_opens_a_tunnel_to_https(tmp_path: Path) -> None:
    """Given a proxy with a login, when requests go to https, then it has seen names and the login alone, and the
    certificate is checked against the name behind it."""
    authority = Authority(tmp_path)
    (tmp_path / "ca.pem").write_text(authority.pem)
    async with receiver(authority.server("far.test")) as here, tunnel() as proxy:
        client = GuardedClient(LOOPBACK, proxy=f"http://me:secret@127.0.0.1:{proxy.port}", ca_file=tmp_path / "ca.pem")
        for _ in range(2):
            assert (await client.request("POST", here.url("/in", "far.test"), body=b"{}", deadline=20)).is_success
        with pytest.raises(NotSent) as raised:
            await client.request("POST", here.url("/in", "wrong.test"), deadline=20)
        await client.close()
    assert raised.value.code == "tls"
    assert [request.path for request in here.received] == ["/in", "/in"]
    assert "proxy-authorization" not in here.received[0].headers
    assert [(request.method, request.path) for request in proxy.received] == [
        ("CONNECT", f"far.test:{here.port}"),
        ("CONNECT", f"wrong.test:{here.port}"),
    ]
    assert proxy.received[0].headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(("status", "code"), [(403, "proxy"), (407, "proxy"), (500, "proxy"), (502, "connect")])
async def test_a_proxy_that_lets_nothing_pass_has_sent_nothing(status: int, code: str) -> None:
    """Given a proxy that refuses, then the fault is its own, unless it says that nobody answers behind it."""
    async with tunnel(refuses_with=status) as proxy:
        client = GuardedClient(NOWHERE, proxy=proxy.url())
        with pytest.raises(NotSent, match=str(status)) as raised:
            await client.request("POST", "https://far.test/", deadline=20)
    assert raised.value.code == code


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("is_silent", [False, True], ids=["is not there", "agrees on no TLS"])
async def test_a_proxy_that_fails_is_not_the_receivers_fault(scheme: str, is_silent: bool) -> None:
    async with receiver() as proxy:
        url = f"https://127.0.0.1:{proxy.port}" if is_silent else proxy.url()
        if not is_silent:
            async with receiver() as gone:
                url = gone.url()
        client = GuardedClient(NOWHERE, proxy=url)
        with pytest.raises(NotSent) as raised:
            await client.request("POST", f"{scheme}://far.test/", deadline=2)
    assert raised.value.code == "proxy"


async def test_one_that_hangs_delays_no_other() -> None:
    """Given requests that hang, when others are sent meanwhile, then those are answered."""
    client = GuardedClient(LOOPBACK)
    async with receiver() as here:
        hanging = [asyncio.create_task(client.request("POST", here.url("/held"), deadline=120)) for _ in range(150)]
        for _ in range(20):
            assert (await client.request("POST", here.url(), deadline=60)).is_success
        assert not any(task.done() for task in hanging)
        here.released.set()
        assert all(response.is_success for response in await asyncio.gather(*hanging))
        await client.close()
