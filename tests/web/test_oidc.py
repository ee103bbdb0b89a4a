"""Signing in through an identity provider."""

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from errors import ConfigurationError
from runtime.client import Client
from services import users
from settings import Settings
from tests.support.identity import CLIENT, SECRET, IdentityProvider
from tests.web.callers import ORIGIN, caller, started


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with IdentityProvider().listening() as provider:
        yield provider


@pytest.fixture
def with_provider(settings: Settings, provider: IdentityProvider) -> Settings:
    values: dict[str, Any] = {
        **settings.model_dump(),
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(SECRET),
        "oidc_domains": ("example.com",),
        "oidc_role": "operator",
        "public_url": ORIGIN,
    }
    return Settings(**values)


@pytest_asyncio.fixture
async def browser(with_provider: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with started(with_provider) as app, caller(app, httpx.Headers()) as browser:
        yield browser


async def go_there(browser: httpx.AsyncClient, to: str = "/jobs") -> str:
    """Begin, and let the provider send the browser back: the address to which."""
    begun = await browser.get(f"/login/oidc?next={to}")
    assert begun.status_code == 303
    async with httpx.AsyncClient(trust_env=False) as http:
        back = (await http.get(begun.headers["location"])).headers["location"]
    assert back.startswith(f"{ORIGIN}/login/oidc/callback?")
    return str(back)


async def test_a_verified_address_of_our_domain_gets_an_account(browser: httpx.AsyncClient, client: Client) -> None:
    # Given a browser that was sent to the provider and comes back
    assert "Sign in with your organisation" in (await browser.get("/login")).text
    entered = await browser.get(await go_there(browser))

    # Then it is signed in, goes on where it wanted to, and nothing is left of the way
    assert (entered.status_code, entered.headers["location"]) == (303, "/jobs")
    assert "callboard_oidc" not in browser.cookies
    me = (await browser.get("/api/v1/me")).json()
    assert (me["name"], me["kind"], me["scopes"]) == (
        "ada@example.com",
        "user",
        ["read", "enqueue", "operate", "metrics"],
    )

    # And the next time it is the same user
    await browser.get(await go_there(browser))
    async with client.session() as session:
        assert [user.name for user in await users.listed(session)] == ["ada@example.com", "admin"]


async def test_a_user_called_like_the_address_is_linked(
    browser: httpx.AsyncClient, client: Client, provider: IdentityProvider
) -> None:
    # Given a user whom an administrator made, at another domain
    provider.claims = {"email": "grace@elsewhere.example"}
    async with client.session() as session:
        await users.create(session, "tests", "grace@elsewhere.example", "admin", None)
        await session.commit()

    # When that person signs in, then it is that user, whatever the address will be later
    assert (await browser.get(await go_there(browser))).status_code == 303
    provider.claims = {"email": "grace@married.example"}
    assert (await browser.get(await go_there(browser))).status_code == 303
    assert (await browser.get("/api/v1/me")).json()["name"] == "grace@elsewhere.example"

    # And another person with that address is not
    provider.claims = {"email": "grace@elsewhere.example", "sub": "1906"}
    browser.cookies.clear()
    assert (await browser.get(await go_there(browser))).status_code == 401


NOT_GOOD: dict[str, dict[str, Any]] = {
    "of another domain": {"email": "eve@elsewhere.example"},
    "of a domain that ends alike": {"email": "eve@notexample.com"},
    "not verified": {"email_verified": False},
    "verified as a text": {"email_verified": "true"},
    "no address": {"email": None},
    "for another application": {"aud": "another"},
    "of another provider": {"iss": "https://elsewhere.example"},
    "too old": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "another sign-in's": {"nonce": "another"},
    "no sign-in's": {"nonce": None},
    "nobody's": {"sub": None},
}


@pytest.mark.parametrize("claims", NOT_GOOD.values(), ids=NOT_GOOD.keys())
async def test_a_word_that_is_not_good_opens_nothing(
    browser: httpx.AsyncClient, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    refused = await browser.get(await go_there(browser))
    assert refused.status_code == 401
    assert 'role="alert"' in refused.text
    assert "callboard_session" not in browser.cookies


async def test_a_word_that_somebody_else_signed_opens_nothing(
    browser: httpx.AsyncClient, provider: IdentityProvider
) -> None:
    provider.key = RSAKey.generate_key(2048, {"kid": "tests", "use": "sig"})
    assert (await browser.get(await go_there(browser))).status_code == 401


async def test_only_the_browser_that_began_comes_in(browser: httpx.AsyncClient) -> None:
    # Given an answer of the provider to another browser's sign-in
    back = await go_there(browser)
    own = browser.cookies["callboard_oidc"]
    forged = json.dumps({"state": "", "nonce": "", "verifier": "", "next": "/"}).encode()
    nested = b"[" * 5_000

    # When a browser is led to it that did not begin one, or another one
    for cookie in ("", "x", "é", base64.urlsafe_b64encode(forged).decode(), base64.b64encode(nested).decode()):
        browser.cookies.clear()
        headers = [(b"cookie", f"callboard_oidc={cookie}".encode())]
        assert (await browser.get(back, headers=headers)).status_code == 401
    browser.cookies.clear()
    await browser.get("/login/oidc")
    assert (await browser.get(back)).status_code == 401

    # Then it is refused; the one that began comes in, once
    browser.cookies.clear()
    mine = {"Cookie": f"callboard_oidc={own}"}
    assert (await browser.get(back, headers=mine)).status_code == 303
    assert (await browser.get(back, headers=mine)).status_code == 401


async def test_a_provider_that_is_away_leaves_the_password(with_provider: Settings, closed_port: int) -> None:
    away = with_provider.model_copy(update={"oidc_issuer": f"http://127.0.0.1:{closed_port}"})
    async with started(away) as app, caller(app, httpx.Headers()) as browser:
        page = await browser.get("/login/oidc")
        assert page.status_code == 502
        assert "Sign in with a password" in page.text


async def test_without_a_provider_there_is_no_such_way(stranger: httpx.AsyncClient) -> None:
    assert "organisation" not in (await stranger.get("/login")).text
    assert (await stranger.get("/login/oidc")).status_code == 404


async def test_a_provider_that_is_half_set_up_is_named(with_provider: Settings) -> None:
    for name in ("public_url", "oidc_client_id"):
        with pytest.raises(ConfigurationError, match="needs OIDC_CLIENT_ID and PUBLIC_URL"):
            async with started(with_provider.model_copy(update={name: None})):
                pass
