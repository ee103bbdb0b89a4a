"""/settings/audit: who did what; /settings/audit.csv: the same as a file."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from errors import BadArguments, BadRequest
from runtime.triggers import zone_of
from services import audit, export
from web.pages.between import field
from web.pages.export import as_file
from web.pages.moments import moment
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_ROWS = 50
Text = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Asked:
    """A filter, as it was typed, and what is wrong with it by field."""

    only: audit.Filter
    typed: dict[str, str]  # as an address has it
    start: str  # as a field for a date and a time has it, in UTC
    end: str
    wrong: dict[str, str]


def _asked(
    who: Text = "",
    action: Text = "",
    target: Text = "",
    job: Text = "",
    start: Annotated[str, Query(max_length=40, alias="from")] = "",
    end: Annotated[str, Query(max_length=40, alias="to")] = "",
    zone: Annotated[str, Query(max_length=100)] = "UTC",
) -> Asked:
    """All that is given must be true of a row; times are on the clock of `zone` unless they say their offset."""
    typed = {name: text.strip() for name, text in (("who", who), ("action", action), ("target", target), ("job", job))}
    wrong: dict[str, str] = {}
    times = {name: _moment(text, zone, name, wrong) for name, text in (("from", start), ("to", end)) if text.strip()}
    only = audit.Filter(
        who=typed["who"] or None, action=typed["action"] or None, target=typed["target"] or None,
        job_id=_id(typed["job"], wrong), since=times.get("from"), until=times.get("to"),
    )  # fmt: skip
    typed |= {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items() if at is not None}
    return Asked(only, typed, field(only.since), field(only.until), wrong)


@router.get("/settings/audit")
async def page(
    request: Request,
    session: Transaction,
    asked: Annotated[Asked, Depends(_asked)],
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """The newest first."""
    rows = [] if asked.wrong else await audit.page(session, asked.only, limit=_ROWS, before=before)
    return render(
        request, "settings/audit.html", status=422 if asked.wrong else 200, rows=rows, asked=asked, typed=asked.typed,
        wrong=asked.wrong, before=before, next=rows[-1].id if len(rows) == _ROWS else None, most=export.MOST,
    )  # fmt: skip


@router.get("/settings/audit.csv")
async def as_csv(session: Transaction, asked: Annotated[Asked, Depends(_asked)]) -> Response:
    """The newest that fit."""
    if asked.wrong:
        raise BadRequest(" ".join(asked.wrong.values()))
    return as_file(await export.deeds(session, asked.only), "audit")


def _moment(text: str, zone: str, name: str, wrong: dict[str, str]) -> datetime | None:
    try:
        return moment(text, zone_of(zone, name), name)
    except BadArguments as error:
        wrong[name] = str(error)
        return None


def _id(text: str, wrong: dict[str, str]) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        wrong["job"] = "This is not the id of a job."
        return None
