"""A list of jobs as CSV (RFC 4180), so many and no more, secrets masked."""

import csv
import io
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job
from services import listing, search
from services.masking import masking

MOST = 10_000  # rows
_PAGE = 2_000
_SECONDS, _A_PAGE = 20.0, 2.0

COLUMNS = (
    "id", "state", "actor", "queue", "priority", "attempt", "max_attempts", "created_at", "run_at", "started_at",
    "finished_at", "owner", "tags", "worker", "arguments", "error_type", "error_message",
)  # fmt: skip
# What a spreadsheet takes for a formula when a cell begins with it (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Export:
    text: str
    rows: int
    is_whole: bool  # else there are more jobs than it has


async def jobs(session: AsyncSession, only: search.Filter, most: int = MOST) -> Export:
    """The newest that fit, until there are `most` or the time is over."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    rows, before = 0, None
    deadline = time.monotonic() + _SECONDS
    while rows < most and time.monotonic() < deadline:
        page = await search.page(session, only, limit=min(_PAGE, most - rows), before=before, seconds=_A_PAGE)
        arguments = await listing.summaries(session, [job.id for job in page.jobs])
        writer.writerows(_row(job, arguments.get(job.id, "")) for job in page.jobs)
        rows += len(page.jobs)
        session.expunge_all()  # they are written, and need not be kept
        before = page.next
        if before is None:
            break
    return Export(out.getvalue(), rows, is_whole=before is None)


def _row(job: Job, arguments: str) -> list[Any]:
    error = job.error or {}
    values = {
        **{name: getattr(job, name, None) for name in COLUMNS},
        "state": search.shown_state(job),
        "run_at": job.due_at,
        "tags": " ".join(job.tags or ()),
        "arguments": arguments,
        "error_type": error.get("type"),
        "error_message": masking().text(str(error.get("message") or "")),
    }
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else value
