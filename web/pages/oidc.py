"""/login/oidc: signing in through the identity provider. The browser goes there, and comes back with a code."""

import base64
import binascii
import hmac
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from errors import DeliveryError, NotFound, Unauthorized
from providers.oidc import Pending, Provider
from services import sign_in
from settings import Settings
from web import cookies
from web.caller import address_of
from web.pages.login import entered, form, inside
from web.route import TimedRoute
from web.transaction import Transaction

PATIENCE = 600  # seconds a person may take at the provider

router = APIRouter(route_class=TimedRoute)


@router.get("/login/oidc")
async def begin(request: Request, next: str = "/") -> Response:  # noqa: A002 (the name of the parameter)
    """To the provider; what the sign-in is known by stays in this browser, for a while."""
    try:
        address, pending = await _provider(request).begin()
    except DeliveryError as error:
        return form(request, inside(next), status=502, message=str(error))
    response = RedirectResponse(address, 303)
    kept = json.dumps({**vars(pending), "next": inside(next)})
    name = cookies.oidc_name(request.scope, request.app.state.settings)
    cookies.put(response, name, base64.urlsafe_b64encode(kept.encode()).decode(), PATIENCE)
    return response


@router.get("/login/oidc/callback")
async def callback(request: Request, session: Transaction, code: str = "", state: str = "") -> Response:
    """Back from the provider: a session, if it is the answer to a sign-in that this browser began."""
    settings: Settings = request.app.state.settings
    name = cookies.oidc_name(request.scope, settings)
    kept = _kept(request.cookies.get(name, ""))
    try:
        pending = _pending(kept, code, state)
        token = await sign_in.with_identity(
            session,
            await _provider(request).finish(pending, code),
            domains=settings.oidc_domains,
            role=settings.oidc_role,
            address=address_of(request.scope),
            browser=request.headers.get("user-agent", ""),
            hours=settings.session_hours,
        )
        response = await entered(request, session, token, kept["next"])
    except (Unauthorized, DeliveryError) as error:
        response = form(request, kept.get("next", "/"), status=error.status, message=str(error))
    cookies.put(response, name, "", 0)
    return response


def _pending(kept: dict[str, str], code: str, state: str) -> Pending:
    """The sign-in that this browser began. Raises Unauthorized if that is not what the provider answers to."""
    mine = kept.get("state", "")
    if not (mine and code and hmac.compare_digest(mine.encode(errors="replace"), state.encode(errors="replace"))):
        raise Unauthorized("This is not the answer to a sign-in that began in this browser. Start again.")
    return Pending(mine, kept["nonce"], kept["verifier"])


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.identity_provider
    if provider is None:
        raise NotFound("No identity provider is set up here: OIDC_ISSUER. Sign in with a password.")
    return provider


def _kept(cookie: str) -> dict[str, str]:
    """What the browser kept; nothing, if that is not ours."""
    try:
        found: Any = json.loads(base64.b64decode(cookie, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    names = {"state", "nonce", "verifier", "next"}
    fits = isinstance(found, dict) and found.keys() == names and all(isinstance(v, str) for v in found.values())
    return found if fits else {}
