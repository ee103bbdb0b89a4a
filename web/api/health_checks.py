"""/api/v1/health-checks: how healthy all was, minute by minute."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from actors.health import Status
from services import health
from web.api.route import StrictRoute
from web.transaction import Transaction

router = APIRouter(prefix="/health-checks", tags=["health"], route_class=StrictRoute)


class HealthFilter(BaseModel):
    """Which checks."""

    model_config = ConfigDict(extra="forbid")

    changes: bool = Field(False, description="Only those that changed what people were told.")
    limit: int = Field(50, ge=1, le=200)
    before: int | None = Field(None, ge=1, lt=2**63, description="The `next` of the page before.")


class HealthDocument(BaseModel):
    """What one look at workers, queues, scheduling, database and Redis has found."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    id: int
    status: Status
    reasons: list[str] = Field(description="What is wrong, the worst first; none where it is healthy.")
    measures: dict[str, Any] = Field(description="Ages and latencies in seconds.")
    checked_at: datetime
    previous: Status | None = Field(description="What people were told before, where this check changed it.")
    alerted_at: datetime | None = Field(description="When people were told of the change.")


class HealthPage(BaseModel):
    """Checks, newest first."""

    checks: list[HealthDocument]
    next: int | None = Field(description="Send it as `before` to get the page after this one; null on the last.")


@router.get("")
async def listed(only: Annotated[HealthFilter, Query()], session: Transaction) -> HealthPage:
    """What was found, newest first."""
    rows = await health.page(session, limit=only.limit, before=only.before, changes=only.changes)
    checks = [HealthDocument.model_validate(row) for row in rows]
    return HealthPage(checks=checks, next=checks[-1].id if len(checks) == only.limit else None)
