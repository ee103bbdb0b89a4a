"""The time range of a search: what the list of jobs offers, and /jobs/between, where a form becomes a term of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from starlette.responses import RedirectResponse

from errors import BadArguments
from runtime.triggers import zone_of
from web.pages import flash
from web.pages.moments import moment
from web.pages.query import TIMES, parse
from web.pages.query import Query as Search
from web.route import TimedRoute

router = APIRouter(route_class=TimedRoute)

PRESETS = {"<15m": "15 min", "<1h": "1 h", "<24h": "24 h", "<7d": "7 d"}
NAMES = {"created": "Created", "finished": "Ended"}
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Range:
    """What a search asks for."""

    name: str  # by which of its times a job is looked for, or would be
    value: str  # as it is typed; empty: any time
    start: str  # as a field for a date and a time has it, in UTC
    end: str

    @property
    def label(self) -> str:
        if not self.value:
            return "Any time"
        return f"{NAMES[self.name]}: " + (f"last {PRESETS[self.value]}" if self.value in PRESETS else "custom")


def of(query: Search) -> Range:
    """Jobs that have ended are looked for by that, all others by when they were made."""
    usual = "finished" if query.filter.state in ENDED else "created"
    name, value = next(((term.name, term.value) for term in query.terms if term.name in TIMES), (usual, ""))
    start, end = (getattr(query.filter, f"{name}_{side}") for side in ("after", "before"))
    return Range(name, value, field(start), field(end))


def field(at: datetime | None) -> str:
    """As a field for a date and a time has it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}" if at else ""


@router.get("/jobs/between")
async def choose(
    q: Annotated[str, Query(max_length=1_000)] = "",
    what: Annotated[Literal["created", "finished"], Query()] = "created",
    start: Annotated[str, Query(max_length=40, alias="from")] = "",
    end: Annotated[str, Query(max_length=40, alias="to")] = "",
    zone: Annotated[str, Query(max_length=100)] = "UTC",
) -> Response:
    """Both are on the clock of `zone`; one of them may be left out. Leads to the list of those jobs."""
    try:
        value = _stretch(start, end, zone)
    except BadArguments as error:
        return flash.redirect(_address(q), f"{error.path}: {error}", bad=True)
    return RedirectResponse(_address(parse(q.strip()).within(what, value)), 303)


def _stretch(start: str, end: str, zone: str) -> str:
    """As the grammar has it, in UTC."""
    clock = zone_of(zone, "zone")
    first = moment(start, clock, "From") if start else None
    last = moment(end, clock, "To") if end else None
    if first and last and first >= last:
        raise BadArguments("This is not before the end.", "From")
    return "..".join(f"{at:%Y-%m-%dT%H:%M}" if at else "" for at in (first, last)) if first or last else ""


def _address(q: str) -> str:
    return f"/jobs?{urlencode({'q': q})}" if q else "/jobs"
