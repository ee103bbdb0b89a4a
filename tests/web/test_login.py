"""Signing in and out with a browser, and what is no sign-in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services import users
from settings import Settings
from tests.web.callers import assert_problem, caller, started, user
from web.csrf import token_of

PASSWORD = "a horse, a battery, a staple"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def ada(client: Client) -> str:
    """A user with a password; the name."""
    async with client.session() as session:
        await users.create(session, "tests", "ada", "operator", PASSWORD)
        await session.commit()
    return "ada"


async def log_in(browser: httpx.AsyncClient, name: str, password: str, **fields: str) -> httpx.Response:
    return await browser.post("/login", data={"name": name, "password": password, **fields}, headers=OURS)


@asynccontextmanager
async def few_attempts(settings: Settings, **limits: int) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger before an application that lets nobody guess for long."""
    async with started(settings.model_copy(update=limits)) as app, caller(app, httpx.Headers()) as stranger:
        yield stranger


async def test_the_form_opens_a_session_and_logout_ends_it(ada: str, stranger: httpx.AsyncClient) -> None:
    # Given the form
    form = await stranger.get("/login?next=/jobs")
    assert form.status_code == 200
    assert 'value="/jobs"' in form.text

    # When it is filled in
    entered = await log_in(stranger, "Ada", PASSWORD, next="/jobs")

    # Then there is a session, whose cookie scripts cannot read and other sites do not send
    assert (entered.status_code, entered.headers["location"]) == (303, "/jobs")
    cookie = entered.headers["set-cookie"]
    assert re.fullmatch(r"callboard_session=[\w-]{43}; HttpOnly; Max-Age=1209600; Path=/; SameSite=lax", cookie), cookie
    assert (await stranger.get("/api/v1/jobs")).status_code == 200

    # When the person signs out
    token = stranger.cookies["callboard_session"]
    out = await stranger.post("/logout", data={"csrf_token": token_of(token)}, headers=OURS)

    # Then neither this browser nor a copy of its cookie comes in
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert "callboard_session" not in stranger.cookies
    assert_problem(await stranger.get("/api/v1/jobs", headers={"Cookie": f"callboard_session={token}"}), 401)


async def test_over_https_the_cookie_is_for_this_host_alone(app: FastAPI, ada: str) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://callboard.test") as browser:
        cookie = (await log_in(browser, ada, PASSWORD)).headers["set-cookie"]
        assert cookie.startswith("__Host-callboard_session=")
        assert "; Secure" in cookie
        assert (await browser.get("/api/v1/jobs")).status_code == 200


async def test_signing_in_gives_a_new_token_and_ends_the_old_session(ada: str, stranger: httpx.AsyncClient) -> None:
    await log_in(stranger, ada, PASSWORD)
    first = stranger.cookies["callboard_session"]
    await log_in(stranger, ada, PASSWORD)
    assert stranger.cookies["callboard_session"] != first
    stranger.cookies.clear()
    assert_problem(await stranger.get("/api/v1/jobs", headers={"Cookie": f"callboard_session={first}"}), 401)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"), ("ada", PASSWORD + " "), ("ada", ""), ("nobody", PASSWORD), ("", ""), ("a\0", "\0"),
        ("x" * 9000, "y" * 9000),
    ],
)  # fmt: skip
async def test_a_wrong_name_or_password_gets_one_answer(
    ada: str, stranger: httpx.AsyncClient, name: str, password: str
) -> None:
    refused = await log_in(stranger, name, password)
    assert refused.status_code == 401
    assert "The name or the password is wrong." in refused.text
    assert "set-cookie" not in refused.headers


async def test_a_disabled_user_is_out_at_once(ada: str, client: Client, stranger: httpx.AsyncClient) -> None:
    await log_in(stranger, ada, PASSWORD)
    async with client.session() as session:
        await users.disable(session, "tests", ada)
        await session.commit()
    assert_problem(await stranger.get("/api/v1/jobs"), 401)
    assert (await log_in(stranger, ada, PASSWORD)).status_code == 401


async def test_a_new_password_ends_all_sessions(ada: str, client: Client, stranger: httpx.AsyncClient) -> None:
    await log_in(stranger, ada, PASSWORD)
    async with client.session() as session:
        await users.set_password(session, "tests", ada, "another long password")
        await session.commit()
    assert_problem(await stranger.get("/api/v1/jobs"), 401)
    assert (await log_in(stranger, ada, PASSWORD)).status_code == 401
    assert (await log_in(stranger, ada, "another long password")).status_code == 303


@pytest.mark.parametrize("change", ["seen_at = now() - interval '25 hours'", "expires_at = now() - interval '1 s'"])
async def test_a_session_ends_unused_or_old(ada: str, client: Client, stranger: httpx.AsyncClient, change: str) -> None:
    await log_in(stranger, ada, PASSWORD)
    async with client.database.connection() as connection:
        await connection.execute(f"update user_sessions set {change}")
    assert_problem(await stranger.get("/api/v1/jobs"), 401)


async def test_guessing_a_password_ends_soon(ada: str, settings: Settings, client: Client) -> None:
    # Given somebody who has guessed as often as one may
    async with few_attempts(settings, sign_in_per_name=3) as stranger:
        for _ in range(3):
            assert (await log_in(stranger, ada, "a guess")).status_code == 401

        # Then even the right password is not looked at, until the time is over
        refused = await log_in(stranger, ada, PASSWORD)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 901
        assert "Try again in 15 min." in refused.text
        async with client.database.connection() as connection:
            await connection.execute("update login_attempts set since = since - interval '16 minutes'")
        assert (await log_in(stranger, ada, PASSWORD)).status_code == 303


async def test_guessing_names_from_one_address_ends_soon(settings: Settings) -> None:
    async with few_attempts(settings, sign_in_per_address=2) as stranger:
        answers = [(await log_in(stranger, f"name-{number}", "x")).status_code for number in range(3)]
    assert answers == [401, 401, 429]


async def test_another_site_cannot_sign_somebody_in(ada: str, stranger: httpx.AsyncClient) -> None:
    forged = await stranger.post(
        "/login", data={"name": ada, "password": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert_problem(forged, 403)


@pytest.mark.parametrize(
    "to",
    [
        "//evil.test", "///evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "evil", "",
        "/\t/evil.test", "/a\nb", "http:evil.test",
    ],
)  # fmt: skip
async def test_nobody_is_sent_to_another_site(ada: str, stranger: httpx.AsyncClient, to: str) -> None:
    assert (await log_in(stranger, ada, PASSWORD, next=to)).headers["location"] == "/"


async def test_the_page_escapes_what_it_is_given(stranger: httpx.AsyncClient) -> None:
    shown = await log_in(stranger, '"><script>alert(1)</script>', "x", next='/"><script>')
    assert "<script>" not in shown.text
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert "script-src 'self'" in shown.headers["content-security-policy"]


FORMS = {
    "no token": ({}, {}, 403),
    "a wrong token": ({"csrf_token": "x"}, {}, 403),
    "the token of another session": ({"csrf_token": token_of("another")}, {}, 403),
    "the token in the form": ({"csrf_token": token_of("the-session-of-eve")}, {}, 303),
    "the token in the header": ({}, {"X-CSRF-Token": token_of("the-session-of-eve")}, 303),
    "the token and another site's page": (
        {"csrf_token": token_of("the-session-of-eve")}, {"Sec-Fetch-Site": "same-site"}, 403,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "headers", "status"), FORMS.values(), ids=FORMS.keys())
async def test_a_form_acts_with_its_token_only(
    app: FastAPI, form: dict[str, str], headers: dict[str, str], status: int
) -> None:
    await user("eve", "the-session-of-eve", "admin")
    cookie = httpx.Headers({"Cookie": "callboard_session=the-session-of-eve"})
    async with caller(app, cookie) as browser:
        response = await browser.post("/logout", data=form, headers=OURS | headers)
        assert response.status_code == status
        assert (await browser.get("/api/v1/jobs")).status_code == (401 if status == 303 else 200)


async def test_a_session_acts_on_the_api_with_its_token_only(app: FastAPI) -> None:
    await user("eve", "the-session-of-eve", "admin")
    job = {"actor": "welcome", "args": ["Ada"]}
    async with caller(app, httpx.Headers({"Cookie": "callboard_session=the-session-of-eve"})) as browser:
        assert_problem(await browser.post("/api/v1/jobs", json=job), 403)
        token = {"X-CSRF-Token": token_of("the-session-of-eve")}
        assert (await browser.post("/api/v1/jobs", json=job, headers=token)).status_code == 201


async def test_signing_in_and_out_is_in_the_audit_and_no_password_is(
    ada: str, client: Client, stranger: httpx.AsyncClient
) -> None:
    await log_in(stranger, ada, PASSWORD)
    token = stranger.cookies["callboard_session"]
    await stranger.post("/logout", data={"csrf_token": token_of(token)}, headers=OURS)
    async with client.database.connection() as connection:
        rows: list[asyncpg.Record] = await connection.fetch("select who, action, details::text from audit order by id")
        everything = await connection.fetch(
            "select to_jsonb(u)::text from users u union all select to_jsonb(s)::text from user_sessions s"
        )
    assert [(row["who"], row["action"]) for row in rows] == [
        ("tests", "user.create"), ("ada", "user.sign_in"), ("ada", "user.sign_out"),
    ]  # fmt: skip
    assert PASSWORD not in str(rows) + str(everything)
    assert token not in str(rows) + str(everything)
