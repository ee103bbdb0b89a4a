"""What open pages ask for again is read once for all of them that show the same.

A page is told that something has changed (web/live.py) and asks for the part of it that may be another now. All pages
are told at the same beat, so two hundred that show the list of jobs ask for the same rows at once: the first one's
answer is given to all until the next beat, or until somebody does something here. It is the same for everybody who may
do the same things and has the same preferences. An answer that holds a form is its maker's alone: in it is the token of
the maker's session.
"""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.callers import Caller
from web import cookies
from web.csrf import token_of
from web.live import Live
from web.present import is_refresh
from web.rules import SAFE_METHODS


@dataclass(frozen=True)
class _Answer:
    messages: list[Message]
    is_for_all: bool


class Refreshes:
    """Stands behind Access, which says who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._answers: dict[Hashable, asyncio.Task[_Answer]] = {}
        self._beat = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = _who_listens(scope)
        if caller is None:
            await self.app(scope, receive, send)
            if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
                self._answers.clear()
            return
        task, is_ours = self._task(scope, caller)
        answer = await asyncio.shield(task)
        if is_ours or answer.is_for_all:
            for message in answer.messages:
                await send(dict(message, headers=[*message["headers"]]) if "headers" in message else message)
        else:
            await self.app(scope, receive, send)

    def _task(self, scope: Scope, caller: Caller) -> tuple[asyncio.Task[_Answer], bool]:
        """What makes the answer, and whether it was started for this request."""
        live: Live = scope["app"].state.live
        if live.beat != self._beat:
            self._answers.clear()
            self._beat = live.beat
        key = _key(scope, caller)
        if key in self._answers:
            return self._answers[key], False
        self._answers[key] = asyncio.ensure_future(self._make(scope, caller))
        return self._answers[key], True

    async def _make(self, scope: Scope, caller: Caller) -> _Answer:
        state = {**scope["state"], "is_part": False}
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app({**scope, "state": state}, _nothing, keep)
        body = b"".join(message.get("body", b"") for message in messages)
        has_form = token_of(caller.session_token or "").encode() in body
        return _Answer(messages, state["is_part"] and messages[0]["status"] == 200 and not has_form)


def _who_listens(scope: Scope) -> Caller | None:
    """The person whose open page asks for a part of itself; None for every other request."""
    if scope["type"] != "http" or not is_refresh(scope):
        return None
    live: Live = scope["app"].state.live
    caller: Caller | None = scope.get("state", {}).get("caller")
    if caller is None or caller.session_token is None:
        return None
    return live.present.caller(caller.session_token)


def _key(scope: Scope, caller: Caller) -> Hashable:
    """What an answer depends on: what is asked for, what the caller may do, and what its browser prefers."""
    request = Request(scope)
    preferences = {name: value for name, value in request.cookies.items() if not name.endswith(cookies.SESSION)}
    return (
        scope["path"], scope["query_string"], request.headers["hx-target"], caller.scopes,
        tuple(sorted(preferences.items())),
    )  # fmt: skip


async def _nothing() -> Message:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}
