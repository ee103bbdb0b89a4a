"""Who may come in, for every address there is."""

import base64
import json
import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.web.callers import BEARER, HERE, SESSION_TOKEN, TOKEN, Browser, assert_problem, caller, key, user
from web import rules

IN_THE_DASHBOARD = {
    ("GET", "/dramatiq"),
    ("GET", "/dramatiq/"),
    ("GET", "/dramatiq/queues/web-tests"),
    ("POST", "/dramatiq/delete-message"),
}

WRONG = {
    "none": None,
    "empty": b"",
    "no key": b"Bearer",
    "wrong key": b"Bearer " + b"x" * len(TOKEN),
    "the prefix of a key": b"Bearer cb_webtests23",
    "the prefix of a key and a wrong secret": b"Bearer cb_webtests23_" + b"x" * 23,
    "start of a key": f"Bearer {TOKEN[:-1]}".encode(),
    "too long": b"Bearer cb_webtests23_" + b"x" * 10_000,
    "not ASCII": b"Bearer cb_webtests23_\xfcmlaut",
    "NUL": b"Bearer cb_\x00_x",
    "key without scheme": TOKEN.encode(),
    "other scheme": f"Digest {TOKEN}".encode(),
    "a password": b"Basic " + base64.b64encode(f"admin:{TOKEN}".encode()),
    "a session": f"Bearer {SESSION_TOKEN}".encode(),
}


def addresses(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path that is served, and some inside what is mounted."""
    found = set()
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{[^}]+\}", "01890000-0000-7000-8000-000000000000", route.path or "")
        found |= {(method, path) for method in route.methods or ("GET", "POST") if method != "HEAD"}
    return found | IN_THE_DASHBOARD


@pytest.mark.parametrize("shown", WRONG.values(), ids=WRONG.keys())
async def test_without_an_account_all_but_the_public_addresses_refuse(app: FastAPI, shown: bytes | None) -> None:
    # Given everything that is served
    served = addresses(app)
    assert {("POST", "/api/v1/jobs"), ("GET", "/api/v1/jobs"), ("GET", "/dramatiq"), ("GET", "/")} <= served

    headers = httpx.Headers([] if shown is None else [(b"authorization", shown)])
    async with caller(app, headers) as stranger:
        for method, path in served:
            if rules.is_public(path):
                continue
            # When somebody without an account asks for it
            response = await stranger.request(method, path)

            # Then it is refused, and says how to show a key
            assert_problem(response, 401)
            assert response.headers["www-authenticate"] == 'Bearer realm="callboard"', path


async def test_only_these_addresses_are_public(app: FastAPI) -> None:
    public = {path for _, path in addresses(app) if rules.is_public(path)}
    below = {path for path in public if path.startswith(("/static/", "/webhook/", "/unsubscribe/"))}
    assert public - below <= {"/health", "/ready", "/login", "/login/oidc", "/login/oidc/callback"}


@pytest.mark.parametrize("token", ["", "x", SESSION_TOKEN[:-1], "ü" * 20, "x" * 5_000])
async def test_a_wrong_session_is_none(app: FastAPI, token: str) -> None:
    headers = httpx.Headers([(b"cookie", f"callboard_session={token}".encode())])
    async with caller(app, headers) as stranger:
        assert_problem(await stranger.get("/api/v1/jobs"), 401)


async def test_an_administrator_is_answered_everywhere(
    app: FastAPI, program: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    for method, path in addresses(app) - {("POST", "/logout"), ("POST", "/login")}:
        if rules.is_public(path) or path in ("/live", "/health/scheduler"):
            continue  # the last two: a stream without end; 503 as long as nobody schedules
        # Saved views are people's own.
        for somebody in (person,) if path.startswith("/jobs/views") else (program, person):
            response = await somebody.request(method, path)
            assert response.status_code not in (401, 403, 500, 503) or path.startswith("/dramatiq"), (method, path)


# What it takes: who, the method, the address, whether it is allowed.
READ, CHANGE = ("GET", "/api/v1/jobs"), ("POST", "/api/v1/jobs")
ALLOWED: dict[tuple[str, ...], set[tuple[str, str]]] = {
    ("read",): {READ},
    ("enqueue",): {CHANGE},
    ("operate",): {READ, CHANGE, ("GET", "/dramatiq/"), ("GET", "/")},
    ("admin",): {READ, CHANGE, ("GET", "/dramatiq/"), ("GET", "/"), ("GET", "/api/v1/users")},
    ("metrics",): set(),
}
ASKED = (READ, CHANGE, ("GET", "/dramatiq/"), ("GET", "/"), ("GET", "/api/v1/users"))


@pytest.mark.parametrize("scopes", ALLOWED)
@pytest.mark.parametrize("asked", ASKED, ids=[f"{method} {path}" for method, path in ASKED])
async def test_a_key_may_do_what_its_scopes_say(app: FastAPI, scopes: tuple[str, ...], asked: tuple[str, str]) -> None:
    async with caller(app, await key("some", "cb_some_secret", *scopes)) as program:
        response = await program.request(*asked)
    if asked in ALLOWED[scopes]:
        assert response.status_code != 403
    else:
        assert_problem(response, 403)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", {READ, ("GET", "/")}),
        ("operator", {READ, CHANGE, ("GET", "/"), ("GET", "/dramatiq/")}),
        ("admin", set(ASKED)),
    ],
)
@pytest.mark.parametrize("asked", ASKED, ids=[f"{method} {path}" for method, path in ASKED])
async def test_a_person_may_do_what_the_role_says(
    app: FastAPI, role: str, allowed: set[tuple[str, str]], asked: tuple[str, str]
) -> None:
    browser = await user("somebody", "the-session-of-somebody", role)
    async with caller(app, httpx.Headers(), browser) as person:
        response = await person.request(*asked)
    if asked in allowed:
        assert response.status_code != 403
    else:
        assert "it takes the role" in assert_problem(response, 403).detail


async def test_a_key_for_some_queues_sees_no_page_of_all(app: FastAPI) -> None:
    headers = await key("some", "cb_some_secret", "operate", queues=["web-tests"])
    async with caller(app, headers) as program:
        assert (await program.get("/api/v1/jobs")).status_code == 200
        assert_problem(await program.get("/dramatiq/"), 403)
        assert_problem(await program.get("/api/v1/anything/new"), 403)


@pytest.mark.parametrize(
    ("networks", "address", "is_accepted"),
    [
        ([], "", True),
        (["192.0.2.0/24"], HERE, True),
        (["198.51.100.0/24", "192.0.2.7/32"], HERE, True),
        (["192.0.2.0/24"], f"::ffff:{HERE}", True),
        (["192.0.2.8/29"], HERE, False),
        (["192.0.2.0/24"], "2001:db8::7", False),
        (["2001:db8::/32"], "2001:db8::7", True),
        (["2001:db8::/32"], "2001:db9::7", False),
        (["fe80::/10"], "fe80::7%eth0", True),
        (["::/0"], f"::ffff:{HERE}", False),
        (["0.0.0.0/0", "::/0"], "unknown", False),
        (["0.0.0.0/0", "::/0"], "", False),
    ],
)
async def test_a_key_is_accepted_from_its_networks_alone(
    app: FastAPI, caplog: pytest.LogCaptureFixture, networks: list[str], address: str, *, is_accepted: bool
) -> None:
    """Given a key for some networks, when it is shown from elsewhere, then the answer is that of a key that is none,
    and the log says whose it was and where from, without the key."""
    headers = await key("bound", "cb_bound_secret", "read", networks=networks)
    async with caller(app, headers, address=address) as program:
        answer = await program.get("/api/v1/me")
        program.headers["Authorization"] = "Bearer cb_bound_wrong"
        to_a_wrong_one = await program.get("/api/v1/me")
    assert answer.status_code == (200 if is_accepted else 401)
    assert ("key_refused" in caplog.text) is not is_accepted
    if not is_accepted:
        assert answer.content == to_a_wrong_one.content
        assert "key:bound" in caplog.text
        assert "cb_bound" not in caplog.text


async def test_a_key_that_is_shown_from_elsewhere_was_not_used(app: FastAPI, program: httpx.AsyncClient) -> None:
    headers = await key("bound", "cb_bound_secret", "read", networks=["192.0.2.0/24"])
    async with caller(app, headers, address="198.51.100.7") as elsewhere:
        assert_problem(await elsewhere.get("/api/v1/me"), 401)
    assert (await program.get("/api/v1/keys/bound")).json()["last_used_at"] is None


@pytest.mark.parametrize(
    ("networks", "path", "says"),
    [
        (["10.0.0.7/8"], "networks[0]", "10.0.0.7/8 is an address within a network. Write the network: 10.0.0.0/8."),
        (["10.0.0.0/8", "2001:db8::7/32"], "networks[1]", "Write the network: 2001:db8::/32."),
        (["::ffff:10.0.0.0/104"], "networks[0]", "Write 10.0.0.0/8."),
        (["fe80::%eth0/64"], "networks[0]", "Leave it out"),
        (["10.0.0.0/33"], "networks[0]", "is no network"),
        (["10"], "networks[0]", "is no network"),
        (["10.0.0.0/\ud800"], "networks[0]", ""),
        ([""], "networks[0]", ""),
        ([8], "networks[0]", ""),
        (["10.0.0.0/8"] * 101, "networks", ""),
        ("10.0.0.0/8", "networks", ""),
        (None, "networks", ""),
    ],
)
async def test_what_is_no_network_is_refused_at_its_place(
    program: httpx.AsyncClient, networks: object, path: str, says: str
) -> None:
    new = json.dumps({"name": "bound", "scopes": ["read"], "networks": networks})
    refused = await program.post("/api/v1/keys", content=new, headers={"Content-Type": "application/json"})
    (error,) = assert_problem(refused, 422).errors
    assert error.path == path
    assert says in error.message
    assert_problem(await program.get("/api/v1/keys/bound"), 404)


async def test_a_network_is_kept_as_it_is_written_shortest(program: httpx.AsyncClient) -> None:
    networks = ["10.0.0.0/255.0.0.0", "192.0.2.7", "2001:0db8:0::/32", "10.0.0.0/8"]
    new = {"name": "bound", "scopes": ["read"], "networks": networks}
    made = (await program.post("/api/v1/keys", json=new)).json()
    assert made["networks"] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
    rotated = (await program.post("/api/v1/keys/bound/rotate", json={})).json()
    assert rotated["networks"] == made["networks"]
    (note,) = (await program.get("/api/v1/audit?action=key.create")).json()["rows"]
    assert note["details"]["networks"] == made["networks"]


async def test_two_authorizations_are_none(stranger: httpx.AsyncClient) -> None:
    both = [("Authorization", BEARER["Authorization"]), ("Authorization", BEARER["Authorization"])]
    assert_problem(await stranger.get("/api/v1/jobs", headers=both), 401)


async def test_a_wrong_key_is_not_made_good_by_a_session(app: FastAPI) -> None:
    async with caller(app, httpx.Headers({"Authorization": "Bearer x"}), Browser(SESSION_TOKEN)) as both:
        assert_problem(await both.get("/api/v1/jobs"), 401)


async def test_an_unknown_address_tells_a_stranger_nothing(
    stranger: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    assert_problem(await stranger.get("/api/v1/nothing"), 401)
    assert_problem(await program.get("/api/v1/nothing"), 404)


async def test_who_opens_a_page_is_shown_where_to_sign_in(stranger: httpx.AsyncClient) -> None:
    html = {"Accept": "text/html"}
    response = await stranger.get("/jobs?q=state:failed", headers=html)
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2Fjobs%3Fq%3Dstate%3Afailed")
    assert_problem(await stranger.get("/api/v1/jobs", headers=html), 401)
    script = await stranger.get("/", headers={"HX-Request": "true"})
    assert (script.status_code, script.headers["hx-redirect"]) == (401, "/login")


async def test_the_key_is_in_no_refusal(stranger: httpx.AsyncClient) -> None:
    response = await stranger.get("/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}x"})
    assert TOKEN not in response.text + str(response.headers)
