"""What callers may ask of webhooks: endpoints, events to publish, messages to send, what was missed to send again."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from actors.webhook import replay_webhooks, routing, tidy_webhooks
from actors.webhook.delivering import TEST, message_name
from actors.webhook.disabling import ENDPOINT_DISABLED, disable
from actors.webhook.replaying import FAILED
from actors.webhook.routing import Delivery
from actors.webhook.sealed import open_json, seal_json, seal_secret
from actors.webhook.warning import ENDPOINT_FAILING
from db import webhooks
from db.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage
from errors import BadArguments, BadRequest, Conflict, NotFound, OtherKey
from providers.email.address import read_address
from providers.http import check_headers, destinations
from providers.webhooks.signing import new_secret, read_secret
from runtime import payload as json_values
from runtime.ids import uuid7
from runtime.options import Options
from services import audit, jobs
from services.webhook_search import Answer, looked_for
from settings import settings

__all__ = [
    "FAILED", "OUTCOMES", "EndpointFields", "Filter", "Published", "attempts",
    "create_endpoint", "delete_endpoint", "deliveries", "delivery", "disable_endpoint", "enable_endpoint",
    "endpoint", "endpoints", "event_types", "header_names", "message", "message_name", "messages", "publish",
    "recover", "replay", "replay_matching", "rotate_secret", "send", "send_test", "update_endpoint",
]  # fmt: skip

OUTCOMES = ("succeeded", *FAILED)
_OWN_TYPES = (ENDPOINT_DISABLED, ENDPOINT_FAILING, TEST)
_MOST_SECRETS = 5
_MOST_HEADERS = 20
_MOST_TRIES = 20
_LONGEST_DELAY = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True)
class EndpointFields:
    """What an endpoint is made of; `event_types=None` is all of them, `rate` is requests a second, `schedule` the
    seconds before the second try, the third and so on, WEBHOOK_SCHEDULE if None."""

    url: str
    description: str = ""
    event_types: Sequence[str] | None = None
    headers: Mapping[str, str] | None = None
    timeout: float = 15.0
    rate: float | None = None
    schedule: Sequence[float] | None = None
    ordered: bool = False
    owner_email: str | None = None

    def __post_init__(self) -> None:
        destinations(settings()).check(self.url)
        json_values.check(self.description, "description")
        for name in self.event_types or ():
            _check_type(name, "event_types")
        if self.event_types is not None and not self.event_types:
            raise BadArguments("event_types is empty: nothing would be sent. Leave it out for all.", "event_types")
        _check_custom_headers(self.headers or {})
        if not 0 < self.timeout <= 60:
            raise BadArguments(f"timeout {self.timeout:g} s is not within 0 and 60.", "timeout")
        if self.rate is not None and not 0.001 <= self.rate <= 1000:
            raise BadArguments(f"rate {self.rate:g} is not within 0.001 and 1000 requests a second.", "rate")
        _check_schedule(self.schedule)
        if self.owner_email is not None:
            read_address(self.owner_email, "owner_email")


@dataclass(frozen=True)
class Published:
    """A message that exists once the session commits. `created` is False if its idempotency key found one."""

    message_id: uuid.UUID
    created: bool
    deliveries: int


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which deliveries: all that is given must hold."""

    endpoint_id: uuid.UUID | None = None
    outcomes: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_types: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in self.outcomes or ():
            if name not in OUTCOMES:
                raise BadArguments(f"outcome {name!r} is none of {', '.join(OUTCOMES)}.", "outcomes")
        for field in ("since", "until"):
            moment = getattr(self, field)
            if moment is not None and moment.tzinfo is None:
                raise BadArguments(f"{field} has no time zone. Add its UTC offset.", field)


def event_types() -> list[str]:
    """What may be published: WEBHOOK_EVENT_TYPES, and our own."""
    return sorted({*settings().webhook_event_types, *_OWN_TYPES})


async def publish(
    session: AsyncSession, event_type: str, payload: Any, *, idempotency_key: str | None = None
) -> Published:
    """Tell every endpoint that wants events of this type, in the caller's transaction; it leaves after the commit.

    The body is `{"type": …, "timestamp": …, "data": payload}`, the same bytes for all. The same key makes no second
    message until that one is deleted (WEBHOOK_RETENTION_DAYS), whoever calls. Raises BadArguments for an unknown type,
    TooLarge over 256 KiB, Conflict for a key that was used for something else; nothing is written then.
    """
    _check_type(event_type, "event_type")
    _check_key(idempotency_key)
    body = routing.encode_event(event_type, payload)
    message_id = await routing.write_message(session, event_type, body, idempotency_key)
    if message_id is None:
        return await _published_before(session, idempotency_key, event_type, orjson.loads(body)["data"])
    return Published(message_id, True, await routing.fan_out(session, message_id, event_type))


async def send(
    session: AsyncSession,
    url: str,
    payload: Any,
    *,
    secret: str | None = None,
    headers: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    options: Options | None = None,
) -> Published:
    """Post `payload` to one address that is no endpoint, signed if a secret is given. As durable as an event.

    The same key makes no second message, whoever calls. Raises BadArguments, its `path` naming the wrong argument,
    TooLarge, and Conflict for a key that was used for something else, or for another address.
    """
    destinations(settings()).check(url)
    _check_custom_headers(headers or {})
    _check_key(idempotency_key)
    secrets = [] if secret is None else [read_secret(secret)]
    body = routing.encode_payload(payload)
    message_id = await routing.write_message(session, None, body, idempotency_key)
    if message_id is None:
        return await _published_before(session, idempotency_key, None, orjson.loads(body), url)
    alone = {"secrets": secrets, "headers": dict(headers or {})}
    sealed = seal_json(settings(), message_id, alone) if secrets or headers else None
    await routing.write_deliveries(session, [Delivery(message_id, url=url, sealed=sealed)], options)
    return Published(message_id, True, 1)


async def _published_before(
    session: AsyncSession, idempotency_key: str | None, event_type: str | None, data: Any, url: str | None = None
) -> Published:
    assert idempotency_key is not None
    found = await routing.message_by_key(session, idempotency_key)
    if found is None:
        raise Conflict(f"The message with the key {idempotency_key!r} was deleted just now. Try again.")
    said = orjson.loads(found.body)
    sent = (found.event_type, found.url, said if event_type is None else said["data"])
    if sent != (event_type, url, data):
        raise Conflict(f"The idempotency key {idempotency_key!r} was used for another message. Use a new one.")
    return Published(found.id, False, 0)


async def create_endpoint(
    session: AsyncSession, who: str, fields: EndpointFields, *, secret: str | None = None, asymmetric: bool = False
) -> tuple[WebhookEndpoint, str]:
    """An endpoint, and its secret: the only time that it is shown. `asymmetric` makes an ed25519 key (`v1a`)."""
    secret = new_secret(asymmetric) if secret is None else read_secret(secret)
    endpoint_id = uuid7()
    made = WebhookEndpoint(
        id=endpoint_id,
        secrets=[seal_secret(settings(), endpoint_id, secret, datetime.now(UTC))],
        **_columns(endpoint_id, fields),
    )
    session.add(made)
    audit.note(session, who, "webhook.endpoint.create", target=str(endpoint_id), details={"url": fields.url})
    await session.flush()
    await session.refresh(made)
    return made, secret


async def update_endpoint(
    session: AsyncSession, who: str, endpoint_id: uuid.UUID, fields: EndpointFields, *, keep_headers: bool = False
) -> WebhookEndpoint:
    """Replace its fields, all of them; its secrets stay, and its headers where they are to be kept."""
    found = await endpoint(session, endpoint_id, lock=True)
    was_ordered = found.ordered
    if fields.rate != found.rate:
        found.next_slot_at = None  # places that the old rate has given away, perhaps for hours
    columns = _columns(endpoint_id, fields)
    if keep_headers:
        del columns["headers"]
    for name, value in columns.items():
        setattr(found, name, value)
    audit.note(session, who, "webhook.endpoint.update", target=str(endpoint_id), details={"url": fields.url})
    await session.flush()
    if was_ordered and not fields.ordered:
        await routing.hand_on(session, endpoint_id)
    return found


def _columns(endpoint_id: uuid.UUID, fields: EndpointFields) -> dict[str, Any]:
    return {
        "url": fields.url,
        "description": fields.description,
        "event_types": list(fields.event_types) if fields.event_types is not None else None,
        "headers": seal_json(settings(), endpoint_id, dict(fields.headers or {})),
        "timeout": fields.timeout,
        "rate": fields.rate,
        "schedule": None if fields.schedule is None else list(fields.schedule),
        "ordered": fields.ordered,
        "owner_email": fields.owner_email,
    }


async def delete_endpoint(session: AsyncSession, who: str, endpoint_id: uuid.UUID) -> None:
    """It is gone at once, and nothing more is sent. The record of its deliveries, however many there are, goes in
    pieces, by a job; the jobs of those that have not ended are cancelled with it. Raises NotFound."""
    found = await routing.fetch(session, webhooks.DELETE_ENDPOINT, endpoint_id)
    if not found:
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.")
    await jobs.enqueue(session, tidy_webhooks)
    audit.note(session, who, "webhook.endpoint.delete", target=str(endpoint_id), details={"url": found[0].url})
    await session.flush()


async def disable_endpoint(session: AsyncSession, who: str, endpoint_id: uuid.UUID, reason: str) -> WebhookEndpoint:
    """Send it nothing more; what is published meanwhile is kept, and can be recovered. Raises Conflict if it is so."""
    await endpoint(session, endpoint_id)
    if not await disable(session, endpoint_id, reason or f"Disabled by {who}."):
        raise Conflict(f"The endpoint {endpoint_id} is disabled already.")
    audit.note(session, who, "webhook.endpoint.disable", target=str(endpoint_id), reason=reason)
    return await endpoint(session, endpoint_id)


async def enable_endpoint(session: AsyncSession, who: str, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """Send it events again; `recover` sends what it missed. Raises Conflict if it is enabled."""
    await endpoint(session, endpoint_id)
    if not await routing.fetch(session, webhooks.ENABLE, endpoint_id):
        raise Conflict(f"The endpoint {endpoint_id} is enabled already.")
    audit.note(session, who, "webhook.endpoint.enable", target=str(endpoint_id))
    return await endpoint(session, endpoint_id)


async def rotate_secret(
    session: AsyncSession,
    who: str,
    endpoint_id: uuid.UUID,
    *,
    secret: str | None = None,
    asymmetric: bool = False,
    keep: timedelta = timedelta(hours=24),
) -> str:
    """A new secret, shown this once. The old ones sign too for as long as `keep` says, so that no receiver misses any.

    Raises Conflict when five are in use.
    """
    secret = new_secret(asymmetric) if secret is None else read_secret(secret)
    if not timedelta(0) <= keep <= timedelta(days=30):
        raise BadArguments("The old secrets may be kept for 30 days at most.", "keep")
    found = await endpoint(session, endpoint_id, lock=True)
    now = datetime.now(UTC)
    end = (now + keep).isoformat()
    old = [
        kept | {"expires_at": min(kept["expires_at"] or end, end)}
        for kept in found.secrets
        if kept["expires_at"] is None or datetime.fromisoformat(kept["expires_at"]) > now
    ]
    if len(old) >= _MOST_SECRETS and keep:
        raise Conflict(f"{_MOST_SECRETS} secrets are in use. Wait until one has expired, or keep none of them.")
    found.secrets = [seal_secret(settings(), endpoint_id, secret, now), *(old if keep else [])]
    audit.note(session, who, "webhook.endpoint.rotate", target=str(endpoint_id))
    await session.flush()
    return secret


async def endpoint(session: AsyncSession, endpoint_id: uuid.UUID, *, lock: bool = False) -> WebhookEndpoint:
    """One endpoint. Raises NotFound."""
    found = await session.get(WebhookEndpoint, endpoint_id, with_for_update=lock or None, populate_existing=True)
    if found is None or found.deleted_at is not None:
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.")
    return found


async def endpoints(
    session: AsyncSession, *, limit: int = 50, before: uuid.UUID | None = None
) -> list[WebhookEndpoint]:
    """The newest first."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    statement = statement.order_by(WebhookEndpoint.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(WebhookEndpoint.id < before)
    return list(await session.scalars(statement))


async def send_test(session: AsyncSession, endpoint_id: uuid.UUID) -> Published:
    """An event of the type webhook.test for one endpoint, whatever types it wants: sent once, before others that wait
    there, and never held against it. Raises Conflict if disabled."""
    found = await endpoint(session, endpoint_id)
    if found.disabled_at is not None:
        raise Conflict(f"The endpoint {endpoint_id} is disabled: {found.disabled_reason} Enable it first.")
    message_id = await routing.write_message(session, TEST, routing.encode_event(TEST, {"hello": "world"}))
    assert message_id is not None
    await routing.write_deliveries(session, [Delivery(message_id, endpoint_id)])
    return Published(message_id, True, 1)


async def replay(session: AsyncSession, who: str, delivery_id: uuid.UUID) -> uuid.UUID:
    """Send a delivery again, whatever became of it. Returns the id of the new one.

    Raises Conflict while it is under way, while its endpoint is disabled, and if it was a try.
    """
    rows = await routing.fetch(session, webhooks.ONE_TO_REPLAY, delivery_id)
    if not rows:
        raise NotFound(f"There is no delivery {delivery_id}. It may have been deleted after its retention.")
    [row] = rows
    if row.outcome is None:
        raise Conflict(f"The delivery {delivery_id} has not ended: it is still being tried.")
    if row.is_disabled:
        raise Conflict(f"The endpoint {row.endpoint_id} is disabled. Enable it first.")
    if row.is_try:
        raise Conflict(f"The delivery {delivery_id} was a try at another URL. Try again the one that it is of.")
    [new] = await routing.write_deliveries(session, [routing.again(row._asdict())])
    audit.note(session, who, "webhook.delivery.replay", target=str(delivery_id))
    return new


async def replay_matching(session: AsyncSession, who: str, only: Filter, *, rate: float = 20.0) -> uuid.UUID:
    """A job that sends again what matches, oldest first, `rate` a second. Without outcomes: all that did not succeed.

    Returns the job's id.
    """
    if not 0.01 <= rate <= 1000:
        raise BadRequest(f"rate {rate:g} is not within 0.01 and 1000 a second.")
    if only.endpoint_id is not None:
        found = await endpoint(session, only.endpoint_id)
        if found.disabled_at is not None:
            raise Conflict(f"The endpoint {found.id} is disabled. Enable it first.")
    arguments: dict[str, Any] = {
        "outcomes": list(only.outcomes) if only.outcomes else None,
        "endpoint": str(only.endpoint_id) if only.endpoint_id else None,
        "since": only.since.isoformat() if only.since else None,
        "until": only.until.isoformat() if only.until else None,
        "event_types": list(only.event_types) if only.event_types else None,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    job = await jobs.enqueue(session, replay_webhooks, rate=rate, **given)
    audit.note(session, who, "webhook.replay", job_id=job.id, details=given | {"rate": rate})
    return job.id


async def recover(
    session: AsyncSession, who: str, endpoint_id: uuid.UUID, since: datetime, *, rate: float = 20.0
) -> uuid.UUID:
    """A job that sends an endpoint whatever it has missed since then. Returns the job's id."""
    return await replay_matching(session, who, Filter(endpoint_id=endpoint_id, since=since), rate=rate)


async def deliveries(
    session: AsyncSession,
    only: Filter | None = None,
    *,
    message_id: uuid.UUID | None = None,
    pending: bool = False,
    answer: Answer | None = None,
    limit: int = 50,
    before: uuid.UUID | None = None,
) -> list[WebhookDelivery]:
    """The newest first; `pending` are those that have not ended, `answer` is that of their latest attempt.

    Event types and answers are looked for among the newest (services/webhook_search.py), those before `before`.
    """
    only = only or Filter()
    statement = select(WebhookDelivery).order_by(WebhookDelivery.id.desc()).limit(limit)
    if message_id is not None:
        statement = statement.where(WebhookDelivery.message_id == message_id)
    if only.endpoint_id is not None:
        statement = statement.where(WebhookDelivery.endpoint_id == only.endpoint_id)
    if only.outcomes is not None:
        statement = statement.where(WebhookDelivery.outcome.in_(only.outcomes))
        if "succeeded" not in only.outcomes:  # said as the index of the few that failed says it
            statement = statement.where(text("outcome is not null and outcome <> 'succeeded'"))
    if only.since is not None:
        statement = statement.where(WebhookDelivery.created_at >= only.since)
    if only.until is not None:
        statement = statement.where(WebhookDelivery.created_at < only.until)
    if before is not None:
        statement = statement.where(WebhookDelivery.id < before)
    if pending:
        statement = statement.where(WebhookDelivery.outcome.is_(None))
    for found in looked_for(only.event_types, answer, before):
        statement = statement.where(WebhookDelivery.id.in_(found))
    return list(await session.scalars(statement))


async def delivery(session: AsyncSession, delivery_id: uuid.UUID) -> WebhookDelivery:
    """One delivery. Raises NotFound."""
    found = await session.get(WebhookDelivery, delivery_id)
    if found is None:
        raise NotFound(f"There is no delivery {delivery_id}. It may have been deleted after its retention.")
    return found


async def attempts(session: AsyncSession, delivery_id: uuid.UUID) -> list[WebhookAttempt]:
    """A delivery's attempts, first to last."""
    statement = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id).order_by(WebhookAttempt.number)
    return list(await session.scalars(statement))


async def message(session: AsyncSession, message_id: uuid.UUID) -> WebhookMessage:
    """One message. Raises NotFound."""
    found = await session.get(WebhookMessage, message_id)
    if found is None:
        raise NotFound(f"There is no message {message_id}. It may have been deleted after its retention.")
    return found


async def messages(
    session: AsyncSession, *, event_type: str | None = None, limit: int = 50, before: uuid.UUID | None = None
) -> list[WebhookMessage]:
    """The newest first, without their bodies."""
    statement = select(WebhookMessage).options(defer(WebhookMessage.body, raiseload=True))
    statement = statement.order_by(WebhookMessage.id.desc()).limit(limit)
    if event_type is not None:
        statement = statement.where(WebhookMessage.event_type == event_type)
    if before is not None:
        statement = statement.where(WebhookMessage.id < before)
    return list(await session.scalars(statement))


def header_names(found: WebhookEndpoint) -> list[str]:
    """The names of its own headers; their values are not shown. Under another SECRET_KEY one text that says so."""
    try:
        return sorted(open_json(settings(), found.id, found.headers))
    except OtherKey:  # the endpoint has to be seen to be set right
        return ["(sealed with another SECRET_KEY)"]


def _check_type(name: str, path: str) -> None:
    if name not in event_types():
        raise BadArguments(
            f"{path}: {name!r} is not registered. Registered: {', '.join(event_types())}; "
            "add others to WEBHOOK_EVENT_TYPES.",
            path,
        )


def _check_schedule(schedule: Sequence[float] | None) -> None:
    if schedule is None:
        return
    if not 0 < len(schedule) < _MOST_TRIES:
        raise BadArguments(
            f"schedule has {len(schedule)} delays; between 1 and {_MOST_TRIES - 1} make at most {_MOST_TRIES} tries. "
            "Leave it out for WEBHOOK_SCHEDULE.",
            "schedule",
        )
    for delay in schedule:
        if not 1 <= delay <= _LONGEST_DELAY:
            raise BadArguments(f"schedule: {delay:g} s is not within 1 s and a day.", "schedule")


def _check_custom_headers(headers: Mapping[str, str]) -> None:
    check_headers(headers)
    if len(headers) > _MOST_HEADERS or sum(map(len, [*headers, *headers.values()])) > 8192:
        raise BadArguments(f"headers are more than {_MOST_HEADERS}, or over 8 KiB.", "headers")
    for name in headers:
        if name.lower().startswith("webhook-") or name.lower() in ("content-type", "user-agent"):
            raise BadArguments(f"headers.{name} is set by the delivery itself. Leave it out.", f"headers.{name}")


def _check_key(key: str | None) -> None:
    if key is not None:
        json_values.check(key, "idempotency_key")
        if not 0 < len(key) <= 500:
            raise BadArguments("idempotency_key must have between 1 and 500 characters.", "idempotency_key")
