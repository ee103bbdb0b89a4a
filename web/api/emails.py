"""/api/v1/emails and /api/v1/suppressions: what became of mails, and who gets none."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services import email, suppressions
from web.api import cursor
from web.api.documents import Text
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.problem import described
from web.transaction import Transaction

router = APIRouter(tags=["emails"], route_class=StrictRoute)

Status = Literal[
    "queued", "cancelled", "failed", "suppressed", "sending", "unknown", "sent", "deferred", "delivered", "opened",
    "clicked", "rejected", "bounced", "unsubscribed", "complained",
]  # fmt: skip
Reason = Literal["hard_bounce", "complaint", "unsubscribe", "manual"]


class EmailFilter(BaseModel):
    """Which mails to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Mails on a page.")
    before: str | None = Field(None, max_length=200, description="The `next` of the page before.")
    status: Status | None = None
    address: Text | None = Field(None, description="Of any recipient.")


class EmailDocument(BaseModel):
    """A mail, without its words."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    id: UUID
    job_id: UUID
    status: Status
    subject: str
    addresses: list[str]
    template: str | None
    mailing_list: str | None
    tags: list[str] | None
    provider: str | None
    provider_id: str | None
    attempts: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None
    updated_at: datetime


class EmailPage(BaseModel):
    """Mails, newest first."""

    emails: list[EmailDocument]
    next: str | None = Field(description="Send it as `before` to get the page after this one; null on the last.")


class EmailEventDocument(BaseModel):
    """Something that a provider, or a recipient, said."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    type: str
    recipient: str
    provider: str
    occurred_at: datetime
    recorded_at: datetime
    reason: str | None
    description: str | None
    details: dict[str, Any] | None


class EmailDetail(EmailDocument):
    """Everything of one mail; `content` is null once its words are past their retention."""

    policy: Literal["at_most_once", "at_least_once"]
    idempotency_key: str | None
    content: dict[str, Any] | None
    accepted: list[str]
    refused: dict[str, Any] | None
    suppressed: list[str] | None
    events: list[EmailEventDocument]


class Resend(BaseModel):
    """Why a mail is to be sent again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Text | None = None


class Resent(BaseModel):
    job_id: UUID


class SuppressionDocument(BaseModel):
    """An address that gets no mail: none at all, or none of a list."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    address: str
    reason: Reason
    mailing_list: str
    email_id: UUID | None
    note: str | None
    added_by: str | None
    created_at: datetime
    expires_at: datetime | None


class NewSuppression(BaseModel):
    """An address to hold mail back from."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: Text
    mailing_list: Text | None = Field(None, description="Only mail of this list; all mail if not given.")
    note: Text | None = None


@router.get("/emails")
async def recent(only: Annotated[EmailFilter, Query()], session: Transaction) -> EmailPage:
    """The newest mails, a page at a time."""
    before = None if only.before is None else cursor.decode(only.before)
    page = await email.recent(session, only.limit, before=before, status=only.status, address=only.address)
    more = cursor.encode(page[-1].created_at, page[-1].id) if len(page) == only.limit else None
    return EmailPage(emails=[EmailDocument.model_validate(mail) for mail in page], next=more)


@router.get("/emails/{email_id}", responses=described(404))
async def one(email_id: UUID, session: Transaction) -> EmailDetail:
    """One mail, with what was said of it."""
    mail = await email.get(session, email_id)
    told = await email.events(session, email_id)
    return EmailDetail(
        **EmailDocument.model_validate(mail).model_dump(),
        policy=mail.policy,
        idempotency_key=mail.idempotency_key,
        content=_shown(mail.content),
        accepted=mail.accepted,
        refused=mail.refused,
        suppressed=mail.suppressed,
        events=[EmailEventDocument.model_validate(event) for event in told],
    )


@router.post("/emails/{email_id}/resend", status_code=202, responses=described(404, 409, 415))
async def resend(email_id: UUID, body: Resend, session: Transaction, caller: CurrentCaller) -> Resent:
    """Send a mail again that did not get to everybody, or of which nobody knows; who has it gets no second one."""
    enqueued = await email.resend(session, email_id, caller.name, body.reason)
    return Resent(job_id=enqueued.id)


@router.get("/suppressions")
async def suppressed(
    session: Transaction,
    address: Annotated[Text | None, Query()] = None,
    reason: Annotated[Reason | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[SuppressionDocument]:
    """Who gets no mail, the newest first."""
    found = await suppressions.listed(session, limit, address=address, reason=reason)
    return [SuppressionDocument.model_validate(entry) for entry in found]


@router.post("/suppressions", status_code=204, responses=described(415))
async def suppress(new: NewSuppression, session: Transaction, caller: CurrentCaller) -> Response:
    """Hold mail back from an address."""
    await suppressions.add(session, new.address, caller.name, mailing_list=new.mailing_list, note=new.note)
    return Response(status_code=204)


@router.delete("/suppressions/{address}", status_code=204, responses=described(404))
async def release(
    address: Text, session: Transaction, caller: CurrentCaller, reason: Annotated[Reason | None, Query()] = None
) -> Response:
    """Send mail to an address again."""
    await suppressions.remove(session, address, caller.name, reason=reason)
    return Response(status_code=204)


def _shown(content: dict[str, Any] | None) -> dict[str, Any] | None:
    """Attachments by name only: they may be large."""
    if content is None or "attachments" not in content:
        return content
    return content | {"attachments": [{k: v for k, v in file.items() if k != "content"}
                                      for file in content["attachments"]]}  # fmt: skip
