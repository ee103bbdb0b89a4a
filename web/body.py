"""The body of a request: never more of it in memory than the limit."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.problem import problem

LIMIT = 512 * 1024  # twice what a job's arguments may be, for white space and escapes


class BodyLimit:
    """Read the body, at most LIMIT bytes of it, before anything else looks at the request; more only at addresses
    whose callers send more."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int] | None = None) -> None:
        self.app = app
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"].removeprefix(scope.get("root_path", "")), LIMIT)
        try:
            body = await _read(scope, receive, limit)
        except _OverLimitError:
            refusal = problem(
                413,
                f"The body is over the limit of {limit:,} bytes. "
                "Store the data elsewhere and pass a reference to it (an id, a URL, a path).",
            )
            await refusal(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


class _OverLimitError(Exception):
    pass


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _OverLimitError
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            raise _OverLimitError
        if not message.get("more_body", False):  # its end, or the caller left
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
