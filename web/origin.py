"""No other site may act through a visitor's browser (cross-site request forgery).

Browsers say where a request comes from: in Sec-Fetch-Site, or, on plain HTTP, where they leave it out, in Origin.
A request that changes something and comes from elsewhere is refused. Programs send neither.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from web.problem import problem

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """Refuse what another site's page sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or _is_ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        else:
            refusal = problem(403, "This request comes from another site's page. Open Callboard itself and act there.")
            await refusal(scope, receive, send)


def _is_ours(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # no browser writes half of an IPv6 address
        return False
