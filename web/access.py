"""Who is calling, and may it: asked of every request before anything else looks at it.

Programs show a key as a bearer token (RFC 6750), people's browsers a session cookie. What may be asked for without
either, and what each address takes, stands in web/rules.py.
"""

import asyncio
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.database import UNAVAILABLE, Database
from errors import CallboardError, TooMany, Unauthorized
from services import callers
from services.callers import Caller
from settings import Settings
from web import cookies, rules
from web.caller import address_of
from web.live import Live
from web.present import is_refresh
from web.rate import Rates
from web.refusals import refuse, unavailable

PATIENCE = 10  # seconds for finding out who calls
LONGEST = 300  # characters of a key or a session token


class Access:
    """Let a request through with its `Caller` in `request.state.caller`, or refuse it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._rates = Rates(settings.rate_limit)
        self._open = ("/metrics", "/health/scheduler") if settings.metrics_open else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # none is served
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        if rules.is_public(path) or path in self._open:
            await self.app(scope, receive, send)
            return
        try:
            caller = await _identify(scope, self._settings)
            rate = self._rates.take(caller.name)
            rules.check(caller, scope["method"], path)
        except UNAVAILABLE as error:
            await unavailable(error)(scope, receive, send)
        except TooMany as error:
            await refuse(error, headers=self._rates.exhausted(error.retry_after))(scope, receive, send)
        except Unauthorized as error:
            await _unknown(scope, path, error)(scope, receive, send)
        except CallboardError as error:
            await refuse(error)(scope, receive, send)
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self.app(scope, receive, _with(rate, send))


def path_of(scope: Scope) -> str:
    """The path as the routes see it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def again(scope: Scope) -> Caller:
    """Who stands behind a request that lasts, as it is by now. Raises Unauthorized or Forbidden."""
    caller = await _identify(scope, scope["app"].state.settings)
    rules.check(caller, scope["method"], path_of(scope))
    return caller


async def _identify(scope: Scope, settings: Settings) -> Caller:
    headers = Headers(scope=scope)
    database: Database = scope["app"].state.client.database
    shown = headers.getlist("authorization")
    async with asyncio.timeout(PATIENCE):
        if shown:
            found = await callers.by_key(database, key, address_of(scope)) if (key := _key(shown)) else None
        else:
            token = cookie_parser(headers.get("cookie", "")).get(cookies.session_name(scope, settings), "")
            found = await _of_session(scope, token, settings) if _may_be_one(token) else None
    if found is None:
        raise Unauthorized(
            "Send the header `Authorization: Bearer KEY` with a key that is valid "
            "(`callboard keys create NAME --scopes read,enqueue`), or sign in at /login."
        )
    return found


async def _of_session(scope: Scope, token: str, settings: Settings) -> Caller | None:
    """Of an open page that refreshes itself, as it was looked up a moment ago with the others'."""
    live: Live = scope["app"].state.live
    known = live.present.caller(token) if is_refresh(scope) else None
    database: Database = scope["app"].state.client.database
    return known or await callers.by_session(database, token, settings.session_idle_hours)


def _key(shown: list[str]) -> str | None:
    """The key, if exactly one is shown."""
    scheme, _, key = shown[0].partition(" ")
    key = key.strip()
    return key if len(shown) == 1 and scheme.lower() == "bearer" and _may_be_one(key) else None


def _may_be_one(secret: str) -> bool:
    return 0 < len(secret) <= LONGEST and secret.isascii()


def _unknown(scope: Scope, path: str, error: Unauthorized) -> Response:
    """A person who opens a page is shown where to sign in; everybody else is told."""
    headers = Headers(scope=scope)
    is_part = "hx-request" in headers  # of an open page: there the sign-in page would stand in its middle
    opens_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "") and not is_part
    if opens_page and not rules.is_for_programs(path):
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"/login?next={quote(path + ('?' + query if query else ''), safe='')}", 303)
    say = {"WWW-Authenticate": 'Bearer realm="callboard"'}
    if is_part:
        say["HX-Redirect"] = "/login"  # a page whose session has ended meanwhile
    return refuse(error, headers=say)


def _with(headers: dict[str, str], send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
