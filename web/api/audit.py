"""/api/v1/audit: who did what. For administrators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services import audit
from web.api.documents import Masked, Text
from web.api.route import StrictRoute
from web.transaction import Transaction

router = APIRouter(prefix="/audit", tags=["audit"], route_class=StrictRoute)


class AuditFilter(BaseModel):
    """Which rows."""

    model_config = ConfigDict(extra="forbid")

    who: Text | None = Field(None, description="A user's name, `key:<name>`, or `cli:<login name>`.")
    action: Text | None = Field(None, examples=["job.cancel"])
    target: Text | None = None
    job_id: UUID | None = None
    limit: int = Field(50, ge=1, le=200)
    before: int | None = Field(None, ge=1, lt=2**63, description="The `next` of the page before.")


class AuditDocument(BaseModel):
    """Something that somebody did."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    id: int
    done_at: datetime
    who: str
    action: str
    job_id: UUID | None
    target: Masked[str | None]
    reason: Masked[str | None]
    details: Masked[dict[str, Any] | None]


class AuditPage(BaseModel):
    """Rows, newest first."""

    rows: list[AuditDocument]
    next: int | None = Field(description="Send it as `before` to get the page after this one; null on the last.")


@router.get("")
async def listed(only: Annotated[AuditFilter, Query()], session: Transaction) -> AuditPage:
    """What was done, newest first."""
    which = audit.Filter(**only.model_dump(exclude={"limit", "before"}))
    rows = [AuditDocument.model_validate(row) for row in await audit.page(
        session, which, limit=only.limit, before=only.before
    )]  # fmt: skip
    return AuditPage(rows=rows, next=rows[-1].id if len(rows) == only.limit else None)
