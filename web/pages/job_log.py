"""/jobs/ID/log.txt: what a job has logged, as a file."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator, Field

from services import jobs, logs
from services.masking import masking
from web.caller import CurrentCaller
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_MOST = 20_000  # lines


def _chosen(value: Any) -> Any:
    """A form sends what is left empty as an empty text."""
    return value or None


Level = Annotated[logs.Level | None, BeforeValidator(_chosen), Query()]
Attempt = Annotated[Annotated[int, Field(ge=1, lt=2**31)] | None, BeforeValidator(_chosen), Query()]


@router.get("/jobs/{job_id}/log.txt")
async def download(
    session: Transaction,
    caller: CurrentCaller,
    job_id: uuid.UUID,
    level: Level = None,
    text: Annotated[str, Query(max_length=200)] = "",
    attempt: Attempt = None,
) -> Response:
    """Those lines that the page shows, and all before them, masked; the file's name says whether there are more."""
    if text:
        caller.require_search_within()
    job = await jobs.get(session, job_id)
    only = logs.Filter(level=level, attempt=attempt, text=text or None)
    lines: list[str] = []
    position = None
    while len(lines) < _MOST:
        page = await logs.since(session, job_id, position, only=only)
        lines += map(_written, page)
        session.expunge_all()  # they are written, and need not be kept
        if len(page) < logs.MOST:
            position = None
            break
        position = page[-1].position
    name = f"{job.id}{'-and-more' if position else ''}.log.txt"
    return Response(
        "".join(lines).encode(errors="backslashreplace"),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _written(line: logs.Line) -> str:
    fields = "".join(f" {name}={value}" for name, value in masking().value(line.fields).items())
    return f"{line.at.isoformat()} #{line.attempt} {line.level:<8} {masking().text(line.message)}{fields}\n"
