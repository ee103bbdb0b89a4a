"""/live?topics=jobs,queues: the stream that says when to look again (server-sent events, WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from web.caller import CurrentCaller
from web.live import Live
from web.route import TimedRoute

router = APIRouter(route_class=TimedRoute)


@router.get("/live")
async def live(
    request: Request, caller: CurrentCaller, topics: Annotated[str, Query(max_length=200, pattern=r"^[a-z0-9:,-]+$")]
) -> Response:
    hub: Live = request.app.state.live
    if hub.is_full:
        raise HTTPException(503, "Too many pages are open. This one looks for changes every few seconds.")
    return StreamingResponse(
        _stream(hub, frozenset(topics.split(",")), caller.session_token),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold it back
    )


async def _stream(hub: Live, topics: frozenset[str], session: str | None) -> AsyncIterator[bytes]:
    with hub.listening(topics, session) as listener:
        yield b"retry: 3000\n\n"
        async for _ in listener.changes():
            yield b"data: changed\n\n"
