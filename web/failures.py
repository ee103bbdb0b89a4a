"""What nobody foresaw: logged with its traceback, answered with the number to look for in the log."""

import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.problem import problem

log = structlog.get_logger(__name__)


class Failures:
    """Answer 500 where nothing was answered yet."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception:
            if scope["type"] != "http" or started:
                raise  # the server logs it and cuts the connection
            incident = uuid.uuid4().hex
            log.exception("request_failed", incident=incident, method=scope["method"], path=scope["path"])
            answer = problem(500, f"Callboard failed. The log of the web process says why: search it for {incident}.")
            await answer(scope, receive, send)
