"""/api/v1/emails and /api/v1/suppressions: send mail, see what became of it, and who gets none."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services import audit, email, email_resending, suppressions
from services.callers import Caller
from services.jobs import Options
from services.masking import of_mail
from web.api import cursor
from web.api.documents import TEN_YEARS, Given, Text
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
ANSWER = "A part of why it was not accepted: `550`, `5.7.1`, `full`."


class EmailFilter(BaseModel):
    """Which mails to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Mails on a page.")
    before: str | None = Field(None, max_length=200, description="The `next` of the page before.")
    status: Status | None = None
    address: Text | None = Field(None, description="Of any recipient.")
    tag: Text | None = None
    template: Text | None = None
    answer: Text | None = Field(None, description=ANSWER)


class _OfMail(BaseModel):
    """Something of a mail: secrets are masked, and who only looks sees no whole address."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    WORDS: ClassVar[tuple[str, ...]]

    @classmethod
    def of(cls, found: object, caller: Caller) -> Self:
        """The document, as this caller may see it."""
        document = cls.model_validate(found)
        return document.model_copy(update={name: of_mail(getattr(document, name), caller) for name in cls.WORDS})


class EmailDocument(_OfMail):
    """A mail, without its words."""

    WORDS = ("subject", "addresses", "error")

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


class EmailEventDocument(_OfMail):
    """Something that a provider, or a recipient, said."""

    WORDS = ("recipient", "reason", "description", "details")

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


Addresses = Text | Annotated[list[Text], Field(max_length=100)]


class NewFile(Given):
    """A file that goes with a mail."""

    name: Text
    type: Text | None = Field(None, examples=["application/pdf"])
    content: str = Field(description="Base64; all files together 10 MiB at most.")


class NewEmail(Given):
    """A mail to send. Its words are `text`, `html` or both, or a template with its data."""

    to: Addresses | None = Field(None, examples=["Ada Lovelace <ada@example.com>"])
    cc: Addresses | None = None
    bcc: Addresses | None = None
    reply_to: Addresses | None = None
    sender: Text | None = Field(None, description="EMAIL_FROM, if not given.")
    subject: Text | None = Field(None, description="The template's, if not given.")
    text: str | None = Field(None, description="Made from the HTML, if not given.")
    html: str | None = None
    template: Text | None = None
    data: dict[Text, Any] | None = Field(None, description="For the template.")
    headers: dict[Text, Text] | None = None
    attachments: list[NewFile] | None = None
    mailing_list: Text | None = Field(None, description="Adds the link to leave this list; who has left it gets none.")
    provider: Text | None = Field(None, description="One, or several in turn; by settings, if not given.")
    policy: Literal["at_most_once", "at_least_once"] | None = Field(
        None, description="What happens when nobody knows whether it has left; EMAIL_POLICY, if not given."
    )
    delay: float | None = Field(None, ge=0, le=TEN_YEARS, description="Seconds to wait before it may leave.")
    tags: list[Text] = Field([], max_length=20)


class SentEmail(BaseModel):
    """A mail that will be sent; its job has the same id. `created` is false where its key had made it before."""

    id: UUID
    created: bool


class Resend(BaseModel):
    """Why a mail is to be sent again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Text | None = None


class ResendMatching(BaseModel):
    """Which mails are sent again, and how fast: all that is given must hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    status: Literal["failed", "rejected", "suppressed", "cancelled", "unknown"]
    since: Annotated[AwareDatetime, Field(strict=False)] | None = None
    address: Text | None = None
    tag: Text | None = None
    template: Text | None = None
    answer: Text | None = Field(None, description=ANSWER)
    rate: float = Field(20, ge=0.01, le=1000, description="A second.")
    reason: Text | None = None


class Resent(BaseModel):
    job_id: UUID


class SuppressionDocument(_OfMail):
    """An address that gets no mail: none at all, or none of a list."""

    WORDS = ("address", "note")

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
async def recent(only: Annotated[EmailFilter, Query()], session: Transaction, caller: CurrentCaller) -> EmailPage:
    """The newest mails, a page at a time."""
    before = None if only.before is None else cursor.decode(only.before)
    page = await email.recent(session, before=before, **only.model_dump(exclude={"before"}))
    more = cursor.encode(page[-1].created_at, page[-1].id) if len(page) == only.limit else None
    return EmailPage(emails=[EmailDocument.of(mail, caller) for mail in page], next=more)


@router.post("/emails", status_code=201, responses={200: {"model": SentEmail}, **described(415)})
async def send(
    new: NewEmail,
    session: Transaction,
    caller: CurrentCaller,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A word of your own for this mail, good until its row is deleted (EMAIL_RETENTION_DAYS): sent "
            "again, there is no second one.",
        ),
    ] = None,
) -> SentEmail:
    """Send a mail. 200 and `created: false` when you have sent one with this key before, whatever it said."""
    caller.require_reach(actor=email.ACTOR, queue=email.QUEUE)
    given = new.model_dump(exclude={"delay", "tags", "attachments"})
    files = [file.model_dump(exclude_none=True) for file in new.attachments or ()]
    delay = None if new.delay is None else timedelta(seconds=new.delay)
    enqueued = await email.send(
        session,
        **given,
        attachments=files or None,
        idempotency_key=None if idempotency_key is None else f"{caller.name} {idempotency_key}",
        options=Options(owner=caller.name, delay=delay, tags=tuple(new.tags)),
    )
    response.status_code = 201 if enqueued.created else 200
    if enqueued.created:
        audit.note(session, caller.name, "email.send", target=str(enqueued.id), job_id=enqueued.id)
    return SentEmail(id=enqueued.id, created=enqueued.created)


@router.get("/emails/{email_id}", responses=described(404))
async def one(email_id: UUID, session: Transaction, caller: CurrentCaller) -> EmailDetail:
    """One mail, with what was said of it."""
    mail = await email.get(session, email_id)
    told = await email.events(session, email_id)
    written = {
        "idempotency_key": mail.idempotency_key, "content": _shown(mail.content), "accepted": mail.accepted,
        "refused": mail.refused, "suppressed": mail.suppressed,
    }  # fmt: skip
    return EmailDetail(
        **EmailDocument.of(mail, caller).model_dump(),
        **{name: of_mail(value, caller) for name, value in written.items()},
        policy=mail.policy,
        events=[EmailEventDocument.of(event, caller) for event in told],
    )


@router.post("/emails/resend", status_code=202, responses=described(415))
async def resend_matching(body: ResendMatching, session: Transaction, caller: CurrentCaller) -> Resent:
    """Send again, by a job, all that match and did not get to everybody; who has one gets no second one."""
    only = email_resending.Filter(**body.model_dump(exclude={"rate", "reason"}))
    job = await email_resending.start(session, caller.name, only, rate=body.rate, reason=body.reason)
    return Resent(job_id=job)


@router.post("/emails/{email_id}/resend", status_code=202, responses=described(404, 409, 415))
async def resend(email_id: UUID, body: Resend, session: Transaction, caller: CurrentCaller) -> Resent:
    """Send a mail again that did not get to everybody, or of which nobody knows; who has it gets no second one."""
    enqueued = await email.resend(session, email_id, caller.name, body.reason)
    return Resent(job_id=enqueued.id)


@router.get("/suppressions")
async def suppressed(
    session: Transaction,
    caller: CurrentCaller,
    address: Annotated[Text | None, Query()] = None,
    reason: Annotated[Reason | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[SuppressionDocument]:
    """Who gets no mail, the newest first."""
    found = await suppressions.listed(session, limit, address=address, reason=reason)
    return [SuppressionDocument.of(entry, caller) for entry in found]


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
