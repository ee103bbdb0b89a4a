"""/api/v1/audit: who did what. For administrators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services import audit
from services.masking import masking
from web.api.documents import Text
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
    target: str | None
    reason: str | None
    details: dict[str, Any] | None


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
    shown = [row.model_copy(update={"details": masking().value(row.details)}) for row in rows]
    return AuditPage(rows=shown, next=shown[-1].id if len(shown) == only.limit else None)
