"""Alerts: what operators should hear of, by e-mail and by webhook, and not again and again."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db import alerts
from db.models import Alert, Audit, Email
from errors import BadArguments, Conflict
from providers.email.address import read_address
from providers.http import destinations
from services import audit, email, webhook, webhook_views
from services.jobs import Options
from services.masking import MASK
from settings import settings

Level = Literal["info", "warning", "error", "critical"]
TEST = "alert.test"  # in the audit
MOST_TITLE = 200  # characters
MOST_BODY = 20_000

log = structlog.get_logger("callboard")


async def notify(session: AsyncSession, level: Level, title: str, body: str, *, key: str | None = None) -> bool:
    """Tell ALERT_RECIPIENTS and ALERT_WEBHOOKS, in the caller's transaction. Returns whether it is sent.

    The same alert (the same `key`; without one, the same level and title) is sent once within ALERT_WINDOW; how many
    were held back stands in the next one. Mails about one alert go out in one piece, one to each recipient, so that one
    wrong address keeps it from nobody. Raises BadArguments.
    """
    if level not in get_args(Level):
        raise BadArguments(f"There is no level {level!r}; there are: {', '.join(get_args(Level))}.", "level")
    title, body = " ".join(title.split())[:MOST_TITLE], body.replace("\0", "")[:MOST_BODY]
    if not title:
        raise BadArguments("The alert has no title.", "title")
    key = key or hashlib.sha256(f"{level}\n{title}".encode()).hexdigest()
    connection = await session.connection()
    raised = (await connection.exec_driver_sql(alerts.RAISE, (key, level, title, settings().alert_window))).first()
    if raised is None:
        await connection.exec_driver_sql(alerts.HOLD_BACK, (key,))
        return False
    await _send(session, level, title, body, raised.held_back or 0)
    return True


@dataclass(frozen=True)
class Sent:
    """What went out: the ids of mails and of messages of webhooks."""

    emails: list[uuid.UUID]
    messages: list[uuid.UUID]


async def send_test(session: AsyncSession, who: str) -> Sent:
    """Send a test, through the same channels as any alert, and never held back. `outcome` says what became of it.

    Raises Conflict where no channel is set that could be used.
    """
    if not any(channel.problem is None for channel in channels()):
        raise Conflict("Nobody would hear of it. Set ALERT_RECIPIENTS or ALERT_WEBHOOKS, and start the processes anew.")
    body = f"{who} asked for it. If you read this, alerts reach you this way."
    sent = await _send(session, "info", "A test of alerts", body, 0)
    details = {"emails": list(map(str, sent.emails)), "messages": list(map(str, sent.messages))}
    audit.note(session, who, TEST, target="alerts", details=details)
    return sent


@dataclass(frozen=True)
class Channel:
    """Somebody who is told; `problem` is why it is left out."""

    kind: Literal["e-mail", "webhook"]
    target: str  # an address, or a URL as it may be shown
    problem: str | None = None


def channels() -> list[Channel]:
    """Those that are set, as any process reads them that was started with the same settings."""
    may_go_to = destinations(settings())
    mails = [
        Channel("e-mail", one, _problem(read_address, one, "ALERT_RECIPIENTS")) for one in settings().alert_recipients
    ]
    return mails + [
        Channel("webhook", _hidden(one), _problem(may_go_to.check, one, "ALERT_WEBHOOKS"))
        for one in settings().alert_webhooks
    ]


@dataclass(frozen=True)
class Outcome:
    """What has become of a test on one of its ways."""

    target: str
    status: str
    said: str | None  # why not, or the code of the answer
    path: str  # its page


async def outcome(session: AsyncSession, row: Audit) -> list[Outcome]:
    """Of a test that `row` notes, as far as it is still kept."""
    details = row.details or {}
    ids, messages = ([uuid.UUID(one) for one in details.get(name, ())] for name in ("emails", "messages"))
    mails = await session.scalars(select(Email).where(Email.id.in_(ids)).order_by(Email.id))
    found = [Outcome(", ".join(one.addresses), one.status, one.error, f"/deliveries/emails/{one.id}") for one in mails]
    for message in messages:
        deliveries = await webhook.deliveries(session, message_id=message)
        told = await webhook_views.told(session, [one.id for one in deliveries])
        for one in deliveries:
            code = told[one.id].status or told[one.id].code
            status = one.outcome or ("retrying" if one.attempts else "queued")
            said = str(code) if code else None
            found.append(Outcome(_hidden(one.url or ""), status, said, f"/deliveries/webhooks/{one.id}"))
    return found


async def latest(session: AsyncSession, limit: int = 20) -> Sequence[Alert]:
    """What people were told lately, the newest first."""
    return list(await session.scalars(select(Alert).order_by(Alert.last_at.desc()).limit(limit)))


async def _send(session: AsyncSession, level: Level, title: str, body: str, held_back: int) -> Sent:
    data = {"level": level, "title": title, "body": body, "held_back": held_back}
    recipients = [email.To(address) for address in settings().alert_recipients if _is_address(address)]
    mails: list[uuid.UUID] = []
    if recipients:
        enqueued = await email.send_bulk(
            session,
            recipients,
            template="alert",
            data=data,
            policy="at_least_once",
            options=Options(priority=-10, tags=["alert"]),
        )
        mails = [one.id for one in enqueued]
    posted = [await _post(session, url, {"type": "alert", **data}) for url in settings().alert_webhooks]
    return Sent(mails, [message for message in posted if message is not None])


async def _post(session: AsyncSession, url: str, payload: dict[str, Any]) -> uuid.UUID | None:
    """The message; None of an address that is left out."""
    try:
        return (await webhook.send(session, url, payload)).message_id
    except BadArguments as error:
        log.error("an alert's webhook is left out", error=str(error))  # noqa: TRY400 (its trace says no more)
        return None


def _is_address(text: str) -> bool:
    try:
        read_address(text, "ALERT_RECIPIENTS")
    except BadArguments as error:
        log.error("an alert's recipient is left out", error=str(error))  # noqa: TRY400 (its trace says no more)
        return False
    return True


def _problem(check: Callable[[str, str], object], value: str, name: str) -> str | None:
    try:
        check(value, name)
    except BadArguments as error:
        return str(error)
    return None


def _hidden(url: str) -> str:
    """Who knows such a URL may often post to it: its path is the secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it may be anything
        return MASK
    if not parts.netloc:
        return MASK
    path = f"/{MASK}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
