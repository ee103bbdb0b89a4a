"""Writes messages and deliveries, and the jobs that carry them, in somebody's transaction."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dramatiq
import httpx
import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from db import webhooks
from errors import TooLarge
from runtime import enqueue as intake
from runtime import payload
from runtime.ids import uuid7
from runtime.options import Options

LIMIT = 256 * 1024  # bytes of a body
CARRIER = "deliver_webhook"  # the actor


@dataclass(frozen=True)
class Delivery:
    """One to be written: to an endpoint, or to a URL."""

    message_id: uuid.UUID
    endpoint_id: uuid.UUID | None = None
    url: str | None = None
    sealed: str | None = None
    replay_of: uuid.UUID | None = None
    ordered: bool = False  # others of its endpoint come first
    skipped: bool = False  # its endpoint is disabled: kept, not sent
    id: uuid.UUID | None = None


def encode_event(event_type: str, data: Any) -> bytes:
    """The body of an event as the specification proposes it. Raises BadArguments or TooLarge."""
    payload.check(data, "payload")
    return _within_limit({"type": event_type, "timestamp": datetime.now(UTC).isoformat(), "data": data})


def encode_payload(data: Any) -> bytes:
    """The body of a message that is no event. Raises BadArguments or TooLarge."""
    payload.check(data, "payload")
    return _within_limit(data)


def _within_limit(document: Any) -> bytes:
    body = orjson.dumps(document)
    if len(body) > LIMIT:
        raise TooLarge("The payload and its envelope", len(body), LIMIT)
    return body


async def write_message(
    session: AsyncSession, event_type: str | None, body: bytes, idempotency_key: str | None = None
) -> uuid.UUID | None:
    """The message's id; None if there is one with that key."""
    message_id = uuid7()
    written = await fetch(session, webhooks.INSERT_MESSAGE, message_id, event_type, body, idempotency_key)
    return message_id if written else None


async def message_by_key(session: AsyncSession, idempotency_key: str) -> Row[Any] | None:
    """The message with that key: id, event_type, body, url."""
    found = await fetch(session, webhooks.MESSAGE_BY_KEY, idempotency_key)
    return found[0] if found else None


async def fan_out(
    session: AsyncSession, message_id: uuid.UUID, event_type: str, but_not: uuid.UUID | None = None
) -> int:
    """Write a delivery for every endpoint that wants events of this type. Returns how many there are."""
    matching = await fetch(session, webhooks.MATCHING, event_type)
    return len(
        await write_deliveries(
            session,
            [
                Delivery(message_id, endpoint.id, ordered=endpoint.ordered, skipped=endpoint.is_disabled)
                for endpoint in matching
                if endpoint.id != but_not
            ],
        )
    )


async def write_deliveries(
    session: AsyncSession, deliveries: Sequence[Delivery], options: Options | None = None
) -> list[uuid.UUID]:
    """Write deliveries, and a job for each that may start: of an ordered endpoint that is the first one."""
    if not deliveries:
        return []
    ordered = await _hold_ordered(session, deliveries)
    idle = await _idle(session, ordered)
    written = [replace(delivery, id=uuid7()) for delivery in deliveries]
    starting = []
    for delivery in written:
        if delivery.skipped:
            continue
        if delivery.endpoint_id not in ordered or delivery.endpoint_id in idle:
            idle.discard(delivery.endpoint_id)
            starting.append(delivery)
    jobs = await _enqueue(session, [(d.id, _limited_by(d)) for d in starting], options or Options())
    by_delivery = dict(zip((d.id for d in starting), jobs, strict=True))
    await fetch(
        session,
        webhooks.INSERT_DELIVERIES,
        [d.id for d in written],
        [d.message_id for d in written],
        [d.endpoint_id for d in written],
        [d.url for d in written],
        [d.sealed for d in written],
        [d.replay_of for d in written],
        [by_delivery.get(d.id) for d in written],
        ["skipped" if d.skipped else None for d in written],
    )
    return [d.id for d in written if d.id is not None]


def again(row: Mapping[str, Any]) -> Delivery:
    """A delivery once more, from a row of TO_REPLAY or ONE_TO_REPLAY."""
    return Delivery(
        row["message_id"], row["endpoint_id"], row["url"], row["sealed"], row["id"], row["ordered"], row["is_disabled"]
    )


async def hold(session: AsyncSession, endpoint_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, bool]:
    """Nobody else hands on, or publishes in order, until the session ends. Returns whether each is ordered."""
    return {row.id: row.ordered for row in await fetch(session, webhooks.HOLD, list(endpoint_ids))}


async def hand_on(session: AsyncSession, endpoint_id: uuid.UUID) -> None:
    """The next delivery of an ordered endpoint, if one waits, gets its job; all of them, if it is ordered no more."""
    for ordered in (await hold(session, [endpoint_id])).values():
        statement = webhooks.NEXT_IN_ORDER if ordered else webhooks.WAITING_IN_ORDER
        await _start(session, endpoint_id, await fetch(session, statement, endpoint_id))


async def _start(session: AsyncSession, endpoint_id: uuid.UUID, waiting: Sequence[Row[Any]]) -> None:
    if waiting:
        ids = [row.id for row in waiting]
        jobs = await _enqueue(session, [(delivery, str(endpoint_id)) for delivery in ids], Options())
        await fetch(session, webhooks.SET_JOBS, ids, jobs)


def _limited_by(delivery: Delivery) -> str:
    """What its concurrency is counted by: the endpoint, or the host of an address that is none."""
    return str(delivery.endpoint_id or httpx.URL(delivery.url or "").host)


async def _hold_ordered(session: AsyncSession, deliveries: Sequence[Delivery]) -> set[uuid.UUID | None]:
    """The endpoints of these that are ordered, held."""
    read_so = {d.endpoint_id for d in deliveries if d.endpoint_id and d.ordered and not d.skipped}
    if not read_so:
        return set()
    return {endpoint_id for endpoint_id, ordered in (await hold(session, read_so)).items() if ordered}


async def _idle(session: AsyncSession, held: set[uuid.UUID | None]) -> set[uuid.UUID | None]:
    if not held:
        return set()
    return {row.id for row in await fetch(session, webhooks.IDLE, list(held))}


async def _enqueue(
    session: AsyncSession, pairs: Sequence[tuple[uuid.UUID | None, str]], options: Options
) -> list[uuid.UUID]:
    actor = dramatiq.get_broker().get_actor(CARRIER)
    calls = [intake.bind(actor, (), {"delivery": str(delivery), "endpoint": endpoint}) for delivery, endpoint in pairs]
    return await intake.enqueue_many(session, options, calls)


async def fetch(session: AsyncSession, statement: str, *values: Any) -> Sequence[Row[Any]]:
    result = await (await session.connection()).exec_driver_sql(statement, values)
    return result.all() if result.returns_rows else []
