"""Lists of jobs, and the audit, as CSV (RFC 4180), so many rows and no more, secrets masked."""

import csv
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Audit, Job
from services import audit, listing, search
from services.masking import masking

MOST = 10_000  # rows
_PAGE = 2_000
_SECONDS, _A_PAGE = 20.0, 2.0

COLUMNS = (
    "id", "state", "actor", "queue", "priority", "attempt", "max_attempts", "created_at", "run_at", "started_at",
    "finished_at", "owner", "tags", "worker", "arguments", "error_type", "error_message",
)  # fmt: skip
AUDIT_COLUMNS = ("id", "done_at", "who", "action", "job_id", "target", "reason", "details")
# What a spreadsheet takes for a formula when a cell begins with it (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


P = TypeVar("P")  # a place in a list
Read = Callable[[int, P | None], Awaitable[tuple[list[list[Any]], P | None]]]


@dataclass(frozen=True)
class Export:
    text: str
    rows: int
    is_whole: bool  # else there is more than it has


async def jobs(session: AsyncSession, only: search.Filter, most: int = MOST) -> Export:
    """The newest that fit, until there are `most` or the time is over."""

    async def read(size: int, before: search.Position | None) -> tuple[list[list[Any]], search.Position | None]:
        page = await search.page(session, only, limit=size, before=before, seconds=_A_PAGE)
        arguments = await listing.summaries(session, [job.id for job in page.jobs])
        return [_row(job, arguments.get(job.id, "")) for job in page.jobs], page.next

    return await _export(session, COLUMNS, most, read)


async def deeds(session: AsyncSession, only: audit.Filter, most: int = MOST) -> Export:
    """What was done, the newest first, until there are `most` rows or the time is over."""

    async def read(size: int, before: int | None) -> tuple[list[list[Any]], int | None]:
        page = await audit.page(session, only, limit=size + 1, before=before)
        return [_deed(row) for row in page[:size]], page[size - 1].id if len(page) > size else None

    return await _export(session, AUDIT_COLUMNS, most, read)


async def _export(session: AsyncSession, columns: Sequence[str], most: int, read: Read[P]) -> Export:
    """Page after page; `read` is given how many rows are wanted and where the page begins, and returns where the next
    one does."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    count = 0
    before: P | None = None
    deadline = time.monotonic() + _SECONDS
    while count < most and time.monotonic() < deadline:
        rows, before = await read(min(_PAGE, most - count), before)
        writer.writerows(rows)
        count += len(rows)
        session.expunge_all()  # they are written, and need not be kept
        if before is None:
            break
    return Export(out.getvalue(), count, is_whole=before is None)


def _deed(row: Audit) -> list[Any]:
    rules = masking()
    values = {
        **{name: getattr(row, name) for name in AUDIT_COLUMNS},
        "target": rules.text(row.target or ""),
        "reason": rules.text(row.reason or ""),
        "details": orjson.dumps(rules.value(row.details)).decode() if row.details else "",
    }
    return [_cell(values[name]) for name in AUDIT_COLUMNS]


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
