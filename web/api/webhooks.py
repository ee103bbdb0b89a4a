"""/api/v1/webhooks: endpoints, what was published to them, what became of it, and sending it again."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from db.models import WebhookDelivery, WebhookEndpoint, WebhookMessage
from services import audit, webhook, webhook_trials
from services.callers import Caller
from services.masking import masking
from web.api.documents import Masked, Text
from web.api.etag import IfMatch, etag, require_match
from web.api.route import StrictRoute
from web.caller import CurrentCaller
from web.edits import restored
from web.problem import described
from web.transaction import Transaction

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=StrictRoute)

Outcome = Literal["succeeded", "exhausted", "gone", "aborted", "skipped", "cancelled"]
Moment = Annotated[AwareDatetime, Field(strict=False)]
Key = Annotated[Text, Field(max_length=255)]
_NEXT = "Send it as `before` to get the page after this one; null on the last."


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True, extra="forbid")


class EndpointFieldsDocument(_Given):
    """What an endpoint is made of."""

    url: Text = Field(description="Where events are posted to.", examples=["https://example.com/hooks"])
    description: str = Field("", max_length=500)
    event_types: list[Text] | None = Field(None, max_length=200, description="Those it wants; null is all of them.")
    headers: dict[Text, str] | None = Field(None, description="Sent with every request; never shown again.")
    timeout: float = Field(15.0, gt=0, le=60, description="Seconds for one request, all of it.")
    rate: float | None = Field(None, ge=0.001, le=1000, description="Requests a second; null is no limit.")
    schedule: list[float] | None = Field(
        None, max_length=19, description="Seconds before the second try, the third, …; null is WEBHOOK_SCHEDULE."
    )
    ordered: bool = Field(False, description="One after the other, in the order of publishing.")
    owner_email: Text | None = Field(None, description="Who is told when it fails, and when it is disabled.")

    def fields(self) -> webhook.EndpointFields:
        return webhook.EndpointFields(**self.model_dump())


class NewEndpoint(EndpointFieldsDocument):
    """An endpoint to be made."""

    secret: Text | None = Field(None, description="whsec_… or whsk_…; one is made if it is not given.")
    asymmetric: bool = Field(False, description="Make an ed25519 key (v1a) instead of a shared secret (v1).")


class SecretDocument(_Shown):
    """A secret, as far as it may be shown."""

    hint: str
    public_key: str | None
    created_at: datetime
    expires_at: datetime | None


class EndpointDocument(_Shown):
    """An endpoint; of its headers only the names."""

    id: UUID
    url: Masked[str]
    description: str
    event_types: list[str] | None
    header_names: list[str]
    secrets: list[SecretDocument]
    timeout: float
    rate: float | None
    schedule: list[float] | None
    ordered: bool
    owner_email: str | None
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: Masked[str | None]
    failing_since: datetime | None
    throttled_until: datetime | None


class NewEndpointDocument(EndpointDocument):
    """The answer to making one: the only time that its secret is shown."""

    secret: str


class EndpointPage(BaseModel):
    """Endpoints, newest first."""

    endpoints: list[EndpointDocument]
    next: UUID | None = Field(description=_NEXT)


class Rotation(_Given):
    """A new secret; the old ones sign too for `keep_hours`."""

    secret: Text | None = None
    asymmetric: bool = False
    keep_hours: float = Field(24, ge=0, le=720)


class SecretShown(BaseModel):
    """The only time that it is shown."""

    secret: str


class Reason(_Given):
    reason: Text | None = None


class Recovery(_Given):
    """What an endpoint missed since then is sent again, so many a second."""

    since: Moment
    rate: float = Field(20, ge=0.01, le=1000)


class Replay(_Given):
    """Which deliveries are sent again; without outcomes all that did not succeed."""

    endpoint_id: Annotated[UUID, Field(strict=False)] | None = None
    outcomes: list[Outcome] | None = Field(None, min_length=1, max_length=6)
    since: Moment | None = None
    until: Moment | None = None
    event_types: list[Text] | None = Field(None, min_length=1, max_length=200)
    rate: float = Field(20, ge=0.01, le=1000)


class JobStarted(BaseModel):
    job_id: UUID


class NewMessage(_Given):
    """An event to publish."""

    event_type: Text
    payload: Any = Field(description="The event's data; the body is {type, timestamp, data}.")
    idempotency_key: Key | None = Field(None, description="The same key of yours makes no second message.")


class NewSend(_Given):
    """A payload for one address."""

    url: Text
    payload: Any
    secret: Text | None = None
    headers: dict[Text, str] | None = None
    idempotency_key: Key | None = Field(None, description="The same key of yours makes no second message.")


class PublishedDocument(BaseModel):
    """`created` is false where a message with this idempotency key was there already."""

    message_id: UUID
    webhook_id: str = Field(description="What receivers know the message by.")
    created: bool
    deliveries: int


class MessageDocument(_Shown):
    id: UUID
    event_type: str | None
    idempotency_key: Masked[str | None]
    created_at: datetime


class MessageDetail(MessageDocument):
    """A message and its body."""

    webhook_id: str
    body: Masked[Any]


class MessagePage(BaseModel):
    """Messages, newest first."""

    messages: list[MessageDocument]
    next: UUID | None = Field(description=_NEXT)


class DeliveryDocument(_Shown):
    """A message on its way; `outcome` is null until it has ended."""

    id: UUID
    message_id: UUID
    endpoint_id: UUID | None
    url: Masked[str | None]
    replay_of: UUID | None
    job_id: UUID | None
    attempts: int
    outcome: Outcome | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


def _masked(headers: list[list[str]] | None) -> list[list[str]] | None:
    """Each by its name."""
    return headers and [[name, masking().value(value, name)] for name, value in headers]


class AttemptDocument(_Shown):
    """One request, and what came back. Timings are in milliseconds from its start."""

    number: int
    started_at: datetime
    ended_at: datetime
    url: Masked[str]
    request_headers: Masked[dict[str, str] | None]
    status: int | None
    code: str | None
    error: Masked[str | None]
    response_headers: Annotated[list[list[str]] | None, AfterValidator(_masked)]
    response_body: Masked[str | None]
    truncated: bool
    address: str | None
    timings: dict[str, float] | None
    next_attempt_at: datetime | None


class Try(_Given):
    """Where a delivery is to be tried."""

    url: Text = Field(examples=["https://example.com/inspect"])
    secret: Text | None = Field(None, description="To sign with: one made for it; null: it is not signed.")


class DeliveryDetail(DeliveryDocument):
    """A delivery with its attempts."""

    attempt_log: list[AttemptDocument]


class DeliveryPage(BaseModel):
    """Deliveries, newest first."""

    deliveries: list[DeliveryDocument]
    next: UUID | None = Field(description=_NEXT)


class Page(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200)
    before: UUID | None = None


class MessageFilter(Page):
    event_type: Text | None = None


class DeliveryFilter(Page):
    endpoint_id: UUID | None = None
    message_id: UUID | None = None
    outcome: Outcome | None = None
    pending: bool = Field(False, description="Only those that have not ended.")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@router.get("/event-types")
async def event_types() -> list[str]:
    """What may be published."""
    return webhook.event_types()


@router.post("/endpoints", status_code=201, responses=described(415))
async def create(
    new: NewEndpoint, session: Transaction, caller: CurrentCaller, request: Request, response: Response
) -> NewEndpointDocument:
    """Make an endpoint. Its secret is in this answer and in no other."""
    fields = webhook.EndpointFields(**new.model_dump(exclude={"secret", "asymmetric"}))
    made, secret = await webhook.create_endpoint(
        session, caller.name, fields, secret=new.secret, asymmetric=new.asymmetric
    )
    response.headers["Location"] = request.url_for("one_endpoint", endpoint_id=str(made.id)).path
    return NewEndpointDocument(**_endpoint(made).model_dump(), secret=secret)


@router.get("/endpoints")
async def endpoints(page: Annotated[Page, Query()], session: Transaction) -> EndpointPage:
    """The newest endpoints, a page at a time."""
    found = await webhook.endpoints(session, limit=page.limit, before=page.before)
    return EndpointPage(endpoints=[_endpoint(one) for one in found], next=_next(found, page.limit))


@router.get("/endpoints/{endpoint_id}", responses=described(404))
async def one_endpoint(endpoint_id: UUID, session: Transaction, response: Response) -> EndpointDocument:
    found = await webhook.endpoint(session, endpoint_id)
    response.headers["ETag"] = etag(found)
    return _endpoint(found)


@router.put("/endpoints/{endpoint_id}", responses=described(404, 412, 415))
async def update(
    endpoint_id: UUID,
    new: EndpointFieldsDocument,
    session: Transaction,
    caller: CurrentCaller,
    if_match: IfMatch = None,
) -> EndpointDocument:
    """Replace its fields. Headers stay as they are where none are given, and what is masked in its address, as it was
    shown; its secrets stay in any case."""
    keep = new.headers is None
    found = await webhook.endpoint(session, endpoint_id)
    await require_match(session, found, if_match)
    new = new.model_copy(update={"url": restored(new.url, found.url, masking().text(found.url), "url")})
    return _endpoint(await webhook.update_endpoint(session, caller.name, endpoint_id, new.fields(), keep_headers=keep))


@router.delete("/endpoints/{endpoint_id}", status_code=204, responses=described(404, 412))
async def delete(endpoint_id: UUID, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None) -> Response:
    """Delete an endpoint with the record of its deliveries."""
    await require_match(session, await webhook.endpoint(session, endpoint_id), if_match)
    await webhook.delete_endpoint(session, caller.name, endpoint_id)
    return Response(status_code=204)


@router.post("/endpoints/{endpoint_id}/enable", responses=described(404, 409, 412))
async def enable(
    endpoint_id: UUID, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None
) -> EndpointDocument:
    """Send it events again. What it missed: `recover`."""
    await require_match(session, await webhook.endpoint(session, endpoint_id), if_match)
    return _endpoint(await webhook.enable_endpoint(session, caller.name, endpoint_id))


@router.post("/endpoints/{endpoint_id}/disable", responses=described(404, 409, 412, 415))
async def disable(
    endpoint_id: UUID, body: Reason, session: Transaction, caller: CurrentCaller, if_match: IfMatch = None
) -> EndpointDocument:
    """Send it nothing more. What is published meanwhile is kept as skipped."""
    await require_match(session, await webhook.endpoint(session, endpoint_id), if_match)
    return _endpoint(await webhook.disable_endpoint(session, caller.name, endpoint_id, body.reason or ""))


@router.post("/endpoints/{endpoint_id}/rotate", responses=described(404, 409, 415))
async def rotate(endpoint_id: UUID, body: Rotation, session: Transaction, caller: CurrentCaller) -> SecretShown:
    """A new secret, in this answer and in no other."""
    secret = await webhook.rotate_secret(
        session, caller.name, endpoint_id,
        secret=body.secret, asymmetric=body.asymmetric, keep=timedelta(hours=body.keep_hours),
    )  # fmt: skip
    return SecretShown(secret=secret)


@router.post("/endpoints/{endpoint_id}/test", status_code=202, responses=described(404, 409))
async def send_test(endpoint_id: UUID, session: Transaction, caller: CurrentCaller) -> PublishedDocument:
    """Send it an event of the type webhook.test."""
    sent = await webhook.send_test(session, endpoint_id)
    audit.note(session, caller.name, "webhook.endpoint.test", target=str(endpoint_id))
    return _published(sent)


@router.post("/endpoints/{endpoint_id}/recover", status_code=202, responses=described(404, 409, 415))
async def recover(endpoint_id: UUID, body: Recovery, session: Transaction, caller: CurrentCaller) -> JobStarted:
    """Send it again, by a job, what it has missed since then."""
    return JobStarted(job_id=await webhook.recover(session, caller.name, endpoint_id, body.since, rate=body.rate))


@router.post("/messages", status_code=201, responses={200: {"model": PublishedDocument}, **described(409, 415)})
async def publish(
    new: NewMessage, session: Transaction, caller: CurrentCaller, response: Response
) -> PublishedDocument:
    """Publish an event. 200 and `created: false` when there is one with this idempotency key."""
    key = _own(caller, new.idempotency_key)
    published = await webhook.publish(session, new.event_type, new.payload, idempotency_key=key)
    response.status_code = 201 if published.created else 200
    if published.created:
        name = webhook.message_name(published.message_id)
        audit.note(session, caller.name, "webhook.publish", target=name, details={"event_type": new.event_type})
    return _published(published)


@router.get("/messages")
async def messages(only: Annotated[MessageFilter, Query()], session: Transaction) -> MessagePage:
    """The newest messages, a page at a time."""
    found = await webhook.messages(session, event_type=only.event_type, limit=only.limit, before=only.before)
    return MessagePage(messages=[MessageDocument.model_validate(one) for one in found], next=_next(found, only.limit))


@router.get("/messages/{message_id}", responses=described(404))
async def one_message(message_id: UUID, session: Transaction) -> MessageDetail:
    found = await webhook.message(session, message_id)
    return MessageDetail(
        **MessageDocument.model_validate(found).model_dump(),
        webhook_id=webhook.message_name(found.id),
        body=orjson.loads(found.body),
    )


@router.post("/send", status_code=201, responses={200: {"model": PublishedDocument}, **described(409, 415)})
async def send(new: NewSend, session: Transaction, caller: CurrentCaller, response: Response) -> PublishedDocument:
    """Post a payload to one address that is no endpoint."""
    sent = await webhook.send(
        session, new.url, new.payload,
        secret=new.secret, headers=new.headers, idempotency_key=_own(caller, new.idempotency_key),
    )  # fmt: skip
    response.status_code = 201 if sent.created else 200
    if sent.created:
        name = webhook.message_name(sent.message_id)
        audit.note(session, caller.name, "webhook.send", target=name, details={"url": masking().text(new.url)})
    return _published(sent)


@router.get("/deliveries")
async def deliveries(only: Annotated[DeliveryFilter, Query()], session: Transaction) -> DeliveryPage:
    """The newest deliveries, a page at a time."""
    found = await webhook.deliveries(
        session,
        webhook.Filter(
            endpoint_id=only.endpoint_id,
            outcomes=[only.outcome] if only.outcome else None,
            since=only.since,
            until=only.until,
        ),
        message_id=only.message_id,
        pending=only.pending,
        limit=only.limit,
        before=only.before,
    )
    return DeliveryPage(
        deliveries=[DeliveryDocument.model_validate(one) for one in found], next=_next(found, only.limit)
    )


@router.get("/deliveries/{delivery_id}", responses=described(404))
async def one_delivery(delivery_id: UUID, session: Transaction) -> DeliveryDetail:
    """One delivery, with its attempts."""
    found = await webhook.delivery(session, delivery_id)
    return DeliveryDetail(
        **DeliveryDocument.model_validate(found).model_dump(),
        attempt_log=[AttemptDocument.model_validate(one) for one in await webhook.attempts(session, delivery_id)],
    )


@router.post("/deliveries/{delivery_id}/replay", status_code=201, responses=described(404, 409))
async def replay(delivery_id: UUID, session: Transaction, caller: CurrentCaller) -> DeliveryDocument:
    """Send a delivery again, as a new one."""
    new = await webhook.replay(session, caller.name, delivery_id)
    return DeliveryDocument.model_validate(await webhook.delivery(session, new))


@router.post("/deliveries/{delivery_id}/try", status_code=201, responses=described(404, 415))
async def send_to(delivery_id: UUID, body: Try, session: Transaction, caller: CurrentCaller) -> DeliveryDocument:
    """Send a delivery to another address, once, without the headers and secrets of its endpoint, of whose health the
    answer says nothing."""
    new = await webhook_trials.send_to(session, caller.name, delivery_id, body.url, secret=body.secret)
    return DeliveryDocument.model_validate(await webhook.delivery(session, new))


@router.post("/replay", status_code=202, responses=described(404, 409, 415))
async def replay_matching(body: Replay, session: Transaction, caller: CurrentCaller) -> JobStarted:
    """Send again, by a job, all that matches."""
    only = webhook.Filter(**body.model_dump(exclude={"rate"}))
    return JobStarted(job_id=await webhook.replay_matching(session, caller.name, only, rate=body.rate))


def _endpoint(found: WebhookEndpoint) -> EndpointDocument:
    columns = {name: getattr(found, name) for name in EndpointDocument.model_fields if hasattr(found, name)}
    secrets = [SecretDocument.model_validate({k: v for k, v in one.items() if k != "sealed"}) for one in found.secrets]
    return EndpointDocument(**columns | {"header_names": webhook.header_names(found), "secrets": secrets})


def _own(caller: Caller, key: str | None) -> str | None:
    """A caller's key, told from those of others who chose the same."""
    return None if key is None else f"{caller.name} {key}"


def _published(published: webhook.Published) -> PublishedDocument:
    return PublishedDocument(
        message_id=published.message_id,
        webhook_id=webhook.message_name(published.message_id),
        created=published.created,
        deliveries=published.deliveries,
    )


def _next(page: list[WebhookEndpoint] | list[WebhookMessage] | list[WebhookDelivery], limit: int) -> UUID | None:
    return page[-1].id if len(page) == limit else None
