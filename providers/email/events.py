"""What providers tell later of a mail, in one vocabulary (Anymail's): queued, sent, delivered, deferred, rejected,
bounced, complained, opened, clicked, unsubscribed, subscribed, failed, unknown."""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

MOST_TEXT = 500  # characters of each text that is kept
BOUNCES_EXPIRE = 180 * 86_400.0  # seconds; mailboxes come back

Suppress = Literal["hard_bounce", "complaint", "unsubscribe"]
_SUPPRESSES: dict[str, Suppress] = {"complained": "complaint", "unsubscribed": "unsubscribe"}

_SENDGRID = {
    "bounce": "bounced", "deferred": "deferred", "delivered": "delivered", "dropped": "rejected",
    "processed": "queued", "click": "clicked", "open": "opened", "spamreport": "complained",
    "unsubscribe": "unsubscribed", "group_unsubscribe": "unsubscribed", "group_resubscribe": "subscribed",
}  # fmt: skip
_DROPPED = {
    "invalid": "invalid", "unsubscribed address": "unsubscribed", "bounce": "bounced", "bounced address": "bounced",
    "blocked": "blocked", "expired": "timed_out",
}  # fmt: skip
_SENDGRID_OWN = frozenset(
    ("email", "timestamp", "event", "smtp-id", "sg_event_id", "sg_message_id", "category", "ip", "response", "tls",
     "reason", "status", "type", "attempt", "useragent", "url", "url_offset", "asm_group_id", "newsletter", "pool",
     "cert_err", "bounce_classification", "sg_content_type", "sg_machine_open", "sg_template_id", "sg_template_name",
     "marketing_campaign_id", "marketing_campaign_name", "marketing_campaign_version", "singlesend_id",
     "singlesend_name", "template_id", "template_hash", "template_version_id", "send_at", "domain", "from")
)  # fmt: skip
_SENDGRID_ID = re.compile(r"(.+?)\.(?:filter|recvd|geopod)")  # X-Message-Id is what stands before its machine

_SES = {
    "bounce": ("bounced", "bounce", "bouncedRecipients"),
    "complaint": ("complained", "complaint", "complainedRecipients"),
    "delivery": ("delivered", "delivery", "recipients"),
    "deliverydelay": ("deferred", "deliveryDelay", "delayedRecipients"),
    "send": ("sent", "send", None),
    "reject": ("rejected", "reject", None),
    "open": ("opened", "open", None),
    "click": ("clicked", "click", None),
    "rendering failure": ("failed", "failure", None),
    "subscription": ("unsubscribed", "subscription", None),
}
_SES_REASONS = {"bounced": "bounced", "complained": "spam", "rejected": "blocked"}
_HARD_STATUS = re.compile(r"5\.0\.0|5\.1\.\d+|5\.2\.1")  # no such mailbox; 5.7.x would be a policy


@dataclass(frozen=True)
class Event:
    """One thing said of one recipient's copy of one mail."""

    provider: str
    type: str
    event_id: str  # with the recipient: the same event is told more than once
    recipient: str
    occurred_at: datetime
    email_id: str | None = None  # our own id, where the provider brought it back
    provider_id: str | None = None
    smtp_id: str | None = None
    reason: str | None = (
        None  # why it was not delivered: invalid, bounced, timed_out, blocked, spam, unsubscribed, other
    )
    description: str | None = None
    mta_response: str | None = None
    click_url: str | None = None
    user_agent: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    suppress: Suppress | None = None  # the recipient is to get no more mail, and why

    def as_json(self) -> dict[str, Any]:
        """As a job's argument, and as `db.emails.RECORD_EVENTS` takes it."""
        details = {
            "mta_response": self.mta_response, "click_url": self.click_url, "user_agent": self.user_agent,
            "smtp_id": self.smtp_id, "tags": list(self.tags), "metadata": dict(self.metadata),
        }  # fmt: skip
        return {
            "provider": self.provider,
            "type": self.type,
            "event_id": self.event_id,
            "recipient": self.recipient.lower(),
            "occurred_at": self.occurred_at.isoformat(),
            "email_id": _uuid(self.email_id),
            "provider_id": self.provider_id,
            "reason": self.reason,
            "description": self.description or self.mta_response,
            "details": {name: value for name, value in details.items() if value},
            "suppress": self.suppress,
        }


def from_sendgrid(items: Iterable[Any], id_key: str = "email_id") -> list[Event]:
    """The events of a request of SendGrid's Event Webhook; what is no event is left out. `id_key` is the custom
    argument that holds our own id."""
    return [_of_sendgrid(item, id_key) for item in items if isinstance(item, dict) and item.get("email")]


def _of_sendgrid(item: Mapping[str, Any], id_key: str) -> Event:
    kind = _SENDGRID.get(str(item.get("event")), "unknown")
    reason = _DROPPED.get(str(item.get("reason")).lower(), "other") if kind == "rejected" else None
    said = _text(item.get("reason") if kind == "bounced" else item.get("response"))
    own_id = _SENDGRID_ID.match(sg_id) if (sg_id := _text(item.get("sg_message_id"))) else None
    category = item.get("category") or ()
    return Event(
        provider="sendgrid",
        type=kind,
        event_id=_text(item.get("sg_event_id")) or _digest(item),
        recipient=_text(item.get("email")) or "",
        occurred_at=_moment(item.get("timestamp")),
        email_id=_text(item.get(id_key)),
        provider_id=own_id[1] if own_id else sg_id,
        smtp_id=_text(item.get("smtp-id")),
        reason=reason,
        description=_text(item.get("reason")) if kind == "rejected" else None,
        mta_response=said,
        click_url=_text(item.get("url"), 2000),
        user_agent=_text(item.get("useragent")),
        tags=tuple(_text(tag) or "" for tag in ([category] if isinstance(category, str) else category)),
        metadata={_text(k) or "": _small(v) for k, v in item.items() if k not in _SENDGRID_OWN and k != id_key},
        suppress=_sendgrid_suppresses(kind, item),
    )


def _sendgrid_suppresses(kind: str, item: Mapping[str, Any]) -> Suppress | None:
    if kind == "bounced" and item.get("type", "bounce") == "bounce":
        status = str(item.get("status") or "")
        return "hard_bounce" if not status or _HARD_STATUS.match(status) else None
    return _SUPPRESSES.get(kind)


def from_ses(notification: Mapping[str, Any]) -> list[Event]:
    """The events of an SNS notification, one for each recipient; none if it is not about a mail. Raises ValueError."""
    said = orjson.loads(notification["Message"])
    mail = said.get("mail") if isinstance(said, dict) else None
    kind = str(said.get("eventType") or said.get("notificationType")) if isinstance(said, dict) else ""
    if not isinstance(mail, dict) or not kind:
        return []
    type_, part, listed = _SES.get(kind.lower(), ("unknown", kind.lower(), None))
    about = said.get(part) or {}
    recipients = about.get(listed) if listed else mail.get("destination")
    headers = [(str(h.get("name")).lower(), h.get("value")) for h in mail.get("headers") or () if isinstance(h, dict)]
    own = (mail.get("tags") or {}).get("email_id") or [dict(headers).get("x-callboard-email")]
    return [
        Event(
            provider="ses",
            type=type_,
            event_id=_text(notification.get("MessageId")) or _digest(notification),
            recipient=_text(who.get("emailAddress") if isinstance(who, dict) else who) or "",
            occurred_at=_moment(notification.get("Timestamp")),
            email_id=_text(own[0]),
            provider_id=_text(mail.get("messageId")),
            reason=_SES_REASONS.get(type_),
            description=_ses_description(type_, about),
            mta_response=_text(who.get("diagnosticCode") if isinstance(who, dict) else about.get("smtpResponse")),
            click_url=_text(about.get("link"), 2000),
            user_agent=_text(about.get("userAgent")),
            tags=tuple(_text(value) or "" for name, value in headers if name == "x-tag"),
            metadata=_metadata(dict(headers).get("x-metadata")),
            suppress=_ses_suppresses(type_, about),
        )
        for who in recipients or ()
    ]


def _ses_description(kind: str, about: Mapping[str, Any]) -> str | None:
    if kind == "bounced":
        return _text(f"{about.get('bounceType')}: {about.get('bounceSubType')}")
    names = {"complained": "complaintFeedbackType", "rejected": "reason", "failed": "errorMessage",
             "deferred": "delayType"}  # fmt: skip
    return _text(about.get(names[kind])) if kind in names else None


def _ses_suppresses(kind: str, about: Mapping[str, Any]) -> Suppress | None:
    if kind == "bounced":
        return "hard_bounce" if about.get("bounceType") == "Permanent" else None
    return _SUPPRESSES.get(kind)


def is_hard_bounce(reply: str) -> bool:
    """Whether an SMTP server's refusal of a recipient means that there is no such mailbox (RFC 3463)."""
    return re.match(r"5\.1\.(?:1|2|3|6|10)\b|5\.2\.1\b", reply) is not None


def _metadata(text: object) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return {_text(name) or "": _small(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _text(value: object, most: int = MOST_TEXT) -> str | None:
    """Text that PostgreSQL takes, cut; None for nothing."""
    if value is None or value == "":
        return None
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()[:most]


def _small(value: object) -> Any:
    return value if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53) else _text(value)


def _moment(value: object) -> datetime:
    """Seconds since 1970, or ISO 8601; what is neither happened now."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _uuid(value: str | None) -> str | None:
    try:
        return None if value is None else str(uuid.UUID(value))
    except ValueError:
        return None


def _digest(value: object) -> str:
    """An id for an event that came without one: the same for the same event."""
    return uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(value, sort_keys=True)).hex
