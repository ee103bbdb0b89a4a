"""/settings/audit: who did what."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services import audit
from web.pages.rendering import render
from web.route import TimedRoute
from web.transaction import Transaction

router = APIRouter(route_class=TimedRoute)

_ROWS = 50
Text = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


@router.get("/settings/audit")
async def page(
    request: Request,
    session: Transaction,
    who: Text = "",
    action: Text = "",
    target: Text = "",
    job: Text = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """The newest first. All that is given must be true of a row."""
    typed = {"who": who.strip(), "action": action.strip(), "target": target.strip(), "job": job.strip()}
    job_id, wrong = _id(typed["job"])
    rows = [] if wrong else await audit.page(
        session,
        audit.Filter(
            who=typed["who"] or None, action=typed["action"] or None, target=typed["target"] or None, job_id=job_id
        ),
        limit=_ROWS, before=before,
    )  # fmt: skip
    return render(
        request, "settings/audit.html", status=422 if wrong else 200, rows=rows, typed=typed, wrong=wrong,
        before=before, next=rows[-1].id if len(rows) == _ROWS else None,
    )  # fmt: skip


def _id(text: str) -> tuple[uuid.UUID | None, str]:
    """The id, and what is wrong with it."""
    if not text:
        return None, ""
    try:
        return uuid.UUID(text), ""
    except ValueError:
        return None, "This is not the id of a job."
