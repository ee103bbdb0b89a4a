"""/api/v1/jobs/{id}/logs and /events: what a job says while it runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from errors import Forbidden, NotFound, Unauthorized
from runtime.client import Client
from services import logs, progress
from services.masking import masking
from web import access
from web.api.documents import JobDocument, Text
from web.api.mine import visible
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)

SILENCE = 16.0  # seconds after which a stream says that it is still there
LOOK = 2.0  # seconds after which it looks without being told
STANDING = 5.0  # seconds after which it is looked up whether the caller may still look
_streams = asyncio.Semaphore(200)  # open at once


class LineDocument(BaseModel):
    """A line that a job logged."""

    attempt: int
    number: int = Field(description="From 1 in each attempt.")
    level: str
    at: datetime
    message: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, line: logs.Line) -> "LineDocument":
        shown = masking()
        return cls(
            attempt=line.attempt, number=line.number, level=line.level, at=line.at,
            message=shown.text(line.message), fields=shown.value(line.fields),
        )  # fmt: skip


class Lines(BaseModel):
    """Lines, in their order."""

    lines: list[LineDocument]


class LogFilter(BaseModel):
    """Which lines."""

    model_config = ConfigDict(extra="forbid")

    tail: int = Field(100, ge=1, le=logs.MOST, description="The last so many.")
    level: logs.Level | None = Field(None, description="This one or a graver one.")
    attempt: int | None = Field(None, ge=1, lt=2**31)
    text: Text | None = Field(None, description="Within the message or the fields, in any case.")


class ProgressDocument(BaseModel):
    """How far a job says it has come."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    attempt: int
    current: float
    total: float | None
    message: str | None
    extra: dict[str, Any]
    percent: float | None
    rate: float | None
    eta: float | None
    updated_at: datetime

    @classmethod
    def of(cls, told: progress.Progress) -> "ProgressDocument":
        document = cls.model_validate({name: getattr(told, name) for name in cls.model_fields})
        message = None if told.message is None else masking().text(told.message)
        return document.model_copy(update={"extra": masking().value(told.extra), "message": message})


class Event(BaseModel):
    """What the stream tells each time that something has changed."""

    job: JobDocument
    progress: ProgressDocument | None


@router.get("/{job_id}/logs", responses=described(404))
async def log(job_id: UUID, only: Annotated[LogFilter, Query()], session: Transaction, caller: CurrentCaller) -> Lines:
    """Its last lines."""
    await visible(session, caller, job_id)
    if only.text is not None:
        caller.require_search_within()
    which = logs.Filter(level=only.level, attempt=only.attempt, text=only.text)
    return Lines(lines=[LineDocument.of(line) for line in await logs.tail(session, job_id, only.tail, which)])


@router.get("/{job_id}/progress", responses=described(404))
async def how_far(job_id: UUID, session: Transaction, caller: CurrentCaller) -> ProgressDocument:
    """How far it says it has come."""
    await visible(session, caller, job_id)
    told = await progress.get(session, job_id)
    if told is None:
        raise NotFound(f"Job {job_id} has told no progress.")
    return ProgressDocument.of(told)


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **described(404)},
)
async def events(job_id: UUID, request: Request, session: Transaction, caller: CurrentCaller) -> Response:
    """A stream of server-sent events: `changed` with the job and its progress, at each change; `ended` at last."""
    await visible(session, caller, job_id)
    if _streams.locked():
        raise HTTPException(503, "Too many streams are open here. Ask for the job with `?wait=30` instead.")
    client: Client = request.app.state.client
    return StreamingResponse(
        _events(request, client, caller, job_id), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _events(request: Request, client: Client, caller: CurrentCaller, job_id: UUID) -> AsyncIterator[str]:
    """Looks when it is told to, and every two seconds; says something only when there is something new. It breaks off
    when the caller's key or session has ended: whoever asks again is told why."""
    said, has_ended = await _look(client, caller, job_id)
    yield said
    if has_ended:
        return
    silent, known_at = 0.0, time.monotonic()
    async with _streams, client.watcher.watch(job_id) as watch:
        while not has_ended:
            if time.monotonic() - known_at >= STANDING:
                try:
                    caller = await access.again(request.scope)
                except (Unauthorized, Forbidden):
                    return
                known_at = time.monotonic()
            now, has_ended = await _look(client, caller, job_id)
            if now != said:
                said, silent = now, 0.0
                yield now
            elif silent >= SILENCE:
                silent = 0.0
                yield ": still here\n\n"
            if not has_ended and not await watch.changed(within=LOOK):
                silent += LOOK


async def _look(client: Client, caller: CurrentCaller, job_id: UUID) -> tuple[str, bool]:
    """The event that tells how the job is now, and whether it is the last one."""
    try:
        async with client.session() as session:
            job = await visible(session, caller, job_id)
            told = await progress.get(session, job_id)
    except NotFound:
        return "event: deleted\ndata: {}\n\n", True
    has_ended = job.outcome is not None
    now = Event(job=JobDocument.of(job), progress=told and ProgressDocument.of(told)).model_dump_json()
    return f"event: {'ended' if has_ended else 'changed'}\ndata: {now}\n\n", has_ended
