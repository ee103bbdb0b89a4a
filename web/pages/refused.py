"""A refusal that a person's browser gets is a page, not a problem document."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import rules
from web.access import path_of
from web.pages.rendering import render
from web.problem import MEDIA_TYPE, Problem


class Readable:
    """Renders problem documents (RFC 9457) for whoever opens pages; programs get them as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_person(scope):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await self._show(scope, receive, send, start, bytes(body))

        await self.app(scope, receive, hold)

    async def _show(self, scope: Scope, receive: Receive, send: Send, start: Message, body: bytes) -> None:
        problem = Problem.model_validate_json(body)
        request = Request(scope)
        # A part of a page that is refreshed says why it could not be; it is asked for again a moment later.
        template = "refused.html" if "hx-request" in request.headers else "error.html"
        page = render(request, template, status=problem.status, problem=problem)
        headers = MutableHeaders(raw=list(start["headers"]))
        del headers["content-type"], headers["content-length"]
        for name, value in headers.items():
            page.headers.setdefault(name, value)
        await page(scope, receive, send)


def _is_person(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "") and not rules.is_for_programs(path_of(scope))


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith(MEDIA_TYPE)
