"""Who may come in: one token guards everything but the two health checks.

Programs send it as a bearer token (RFC 6750). In what people open with a browser it is also
the password of the user `admin` (HTTP Basic, RFC 7617).
"""

import base64
import binascii
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from web.problem import problem

USER = "admin"
OPEN = ("/health", "/ready")


class Access:
    """Refuse whoever does not show the token, whatever the address: a new page is guarded from its first day."""

    def __init__(self, app: ASGIApp, token: str, browsed: tuple[str, ...]) -> None:
        self.app = app
        self._token = token.encode()
        self._browsed = browsed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # none is served
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        browsed = any(path == prefix or path.startswith(f"{prefix}/") for prefix in self._browsed)
        shown = Headers(scope=scope).getlist("authorization")
        if path in OPEN or (len(shown) == 1 and self._admits(shown[0], basic=browsed)):
            await self.app(scope, receive, send)
            return
        refusal = problem(
            401,
            f"Log in as {USER!r} with CALLBOARD_TOKEN as the password."
            if browsed
            else "Send the header `Authorization: Bearer TOKEN` with the value of CALLBOARD_TOKEN.",
            headers={"WWW-Authenticate": f'{"Basic" if browsed else "Bearer"} realm="callboard"'},
        )
        await refusal(scope, receive, send)

    def _admits(self, authorization: str, basic: bool) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return hmac.compare_digest(credentials.strip().encode(), self._token)
        if scheme.lower() == "basic" and basic:
            user, _, password = _decoded(credentials).partition(b":")
            # Both are always compared, so that the time taken tells nothing.
            return hmac.compare_digest(user, USER.encode()) & hmac.compare_digest(password, self._token)
        return False


def _decoded(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
