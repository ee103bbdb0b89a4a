"""/api/v1/errors: what fails, as groups of the same error; muting, resolving and linking one."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services import errors
from web.api.documents import Given, Masked, Text
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/errors", tags=["errors"], route_class=StrictRoute)

MONTH = 720  # hours

Fingerprint = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Hours = Annotated[int, Query(ge=1, le=MONTH, description="How far back is looked.")]


class GroupFilter(BaseModel):
    """Which groups to list: all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    hours: int = Field(24, ge=1, le=MONTH, description="Seen within these.")
    show: errors.Show = "open"
    actor: Text | None = None
    text: Text | None = Field(None, description="A part of the type or of the message; takes `operate`.")
    limit: int = Field(100, ge=1, le=200, description="Groups at most.")


class GroupDocument(BaseModel):
    """An error, whatever values its message has: `pattern` is the message with those left out."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    fingerprint: str = Field(description="For `GET /jobs?error_group=`.")
    error_type: Masked[str]
    pattern: Masked[str]
    state: Literal["new", "ongoing", "returned", "muted", "resolved"]
    first_seen_at: datetime
    last_seen_at: datetime
    total: int = Field(description="How often it was seen at all.")
    occurrences: int = Field(description="Within the hours.")
    actors: list[str]
    muted_at: datetime | None
    resolved_at: datetime | None
    issue_url: str | None = Field(description="Where people work on it.")
    trend: list[float] = Field(description="By hour, the current one last.")


class Groups(BaseModel):
    """The most frequent first."""

    groups: list[GroupDocument]


class ShareDocument(BaseModel):
    """How often it was seen within the hours."""

    actor: str
    occurrences: int


class OccurrenceDocument(BaseModel):
    """An attempt that ended so; `GET /jobs/{id}/attempts` has its traceback."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    job_id: UUID
    attempt: int
    actor: str
    queue: str
    state: str = Field(description="The job's.")
    error_message: Masked[str]
    ended_at: datetime


class GroupDetail(BaseModel):
    """One group: who has it, and where it was seen last."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str
    error_type: Masked[str]
    pattern: Masked[str]
    first_seen_at: datetime
    last_seen_at: datetime
    total: int
    muted_at: datetime | None
    muted_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    issue_url: str | None
    issue_by: str | None
    trend: list[float]
    actors: list[ShareDocument]
    latest: list[OccurrenceDocument]


class Issue(Given):
    url: Annotated[str, Field(max_length=errors.LONGEST_URL, description="Of a page, by https or http.")]


@router.get("", responses=described(403))
async def listed(only: Annotated[GroupFilter, Query()], session: Transaction, caller: CurrentCaller) -> Groups:
    """What was seen within the last hours."""
    if only.text is not None:
        caller.require_search_within()
    found = await errors.groups(
        session, only.hours, actor=only.actor, show=only.show, text=only.text, most=only.limit
    )  # fmt: skip
    return Groups(groups=[GroupDocument.model_validate(group) for group in found])


@router.get("/{fingerprint}", responses=described(404))
async def one(fingerprint: Fingerprint, session: Transaction, hours: Hours = 168) -> GroupDetail:
    """One of them."""
    sample = await errors.sample(session, fingerprint, hours)
    group = sample.group
    names = (
        "fingerprint", "error_type", "pattern", "first_seen_at", "last_seen_at", "muted_at", "muted_by", "resolved_at",
        "resolved_by", "issue_url", "issue_by",
    )  # fmt: skip
    return GroupDetail(
        **{name: getattr(group, name) for name in names},
        total=group.occurrences,
        trend=sample.trend,
        actors=[ShareDocument(actor=actor, occurrences=number) for actor, number in sample.actors],
        latest=[OccurrenceDocument.model_validate(attempt) for attempt in sample.latest],
    )


@router.post("/{fingerprint}/mute", responses=described(404))
async def mute(fingerprint: Fingerprint, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """It is not shown among the open ones."""
    await errors.mute(session, fingerprint, who=caller.name, on=True)
    return await one(fingerprint, session)


@router.post("/{fingerprint}/unmute", responses=described(404))
async def unmute(fingerprint: Fingerprint, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """It is shown again."""
    await errors.mute(session, fingerprint, who=caller.name, on=False)
    return await one(fingerprint, session)


@router.post("/{fingerprint}/resolve", responses=described(404))
async def resolve(fingerprint: Fingerprint, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """It is done with; should it be seen again, it has returned."""
    await errors.resolve(session, fingerprint, who=caller.name, on=True)
    return await one(fingerprint, session)


@router.post("/{fingerprint}/reopen", responses=described(404))
async def reopen(fingerprint: Fingerprint, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """It is not done with."""
    await errors.resolve(session, fingerprint, who=caller.name, on=False)
    return await one(fingerprint, session)


@router.put("/{fingerprint}/issue", responses=described(404, 415))
async def link(fingerprint: Fingerprint, issue: Issue, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """People work on it there."""
    await errors.link(session, fingerprint, issue.url, who=caller.name)
    return await one(fingerprint, session)


@router.delete("/{fingerprint}/issue", responses=described(404))
async def unlink(fingerprint: Fingerprint, session: Transaction, caller: CurrentCaller) -> GroupDetail:
    """It has no issue."""
    await errors.unlink(session, fingerprint, who=caller.name)
    return await one(fingerprint, session)
