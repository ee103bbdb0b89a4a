"""Files to take away: /jobs/export.csv, the jobs of a search, and what others make with `as_file`."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from errors import BadRequest
from services import export, search
from web.caller import CurrentCaller
from web.pages.query import parse
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)


@router.get("/jobs/export.csv")
async def jobs(
    session: Transaction, caller: CurrentCaller, q: Annotated[str, Query(max_length=1_000)] = ""
) -> Response:
    """The newest that fit."""
    query = parse(q.strip())
    if query.problems or query.job_id is not None:
        raise BadRequest(" ".join([*query.problems, "Search for jobs first, then export what is found."]))
    search.require(query.filter, caller)
    return as_file(await export.jobs(session, query.filter), "jobs")


def as_file(made: export.Export, name: str) -> Response:
    """Its name says how many rows, and whether there is more."""
    more = "" if made.is_whole else "-and-more"
    name = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{made.rows}{more}.csv"
    return Response(
        made.text.encode(errors="backslashreplace"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
