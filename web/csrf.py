"""A person's browser acts only on forms that we gave it (cross-site request forgery): belt and braces to web/origin.py.

The token follows from the session's, which nobody else has. A form carries it in the field `csrf_token`, a script in
the header `X-CSRF-Token`. Programs with a key need none: no browser adds their key by itself.
"""

import hashlib
import hmac
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import Forbidden
from services.callers import Caller
from web.access import path_of
from web.refusals import refuse
from web.rules import SAFE_METHODS

FIELD, HEADER = "csrf_token", "x-csrf-token"
OWN_WAY = "/dramatiq/"  # dramatiq-dashboard's forms bring a token of their own


def token_of(session_token: str) -> str:
    """The token for the forms of this session."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_token(request: Request) -> str:
    """The token for the forms of the page that answers this request; empty where nobody is signed in."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return token_of(caller.session_token) if caller and caller.session_token else ""


class Csrf:
    """Stands after BodyLimit, which hands on the whole body in one message."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get("state", {}).get("caller") if scope["type"] == "http" else None
        if (
            caller is None
            or caller.session_token is None
            or scope["method"] in SAFE_METHODS
            or path_of(scope).startswith(OWN_WAY)
        ):
            await self.app(scope, receive, send)
            return
        body = await receive()
        if hmac.compare_digest(_shown(Headers(scope=scope), body).encode(), token_of(caller.session_token).encode()):
            await self.app(scope, _first(body, receive), send)
        else:
            await refuse(Forbidden("The page you acted on is from another session. Go back, reload it and try again."))(
                scope, receive, send
            )


def _shown(headers: Headers, body: Message) -> str:
    if HEADER in headers:
        return headers[HEADER]
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return ""
    try:
        fields: dict[str, list[str]] = parse_qs(body.get("body", b"").decode("latin-1"), max_num_fields=10_000)
        return fields.get(FIELD, [""])[-1]
    except ValueError:  # more fields than any form of ours has
        return ""


def _first(message: Message, receive: Receive) -> Receive:
    pending = [message]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
