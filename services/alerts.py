"""Alerts: what operators should hear of, by e-mail and by webhook, and not again and again."""

import hashlib
from typing import Any, Literal, get_args

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from db import alerts
from errors import BadArguments
from providers.email.address import read_address
from services import email, webhook
from services.jobs import Options
from settings import settings

Level = Literal["info", "warning", "error", "critical"]
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
    data = {"level": level, "title": title, "body": body, "held_back": raised.held_back or 0}
    recipients = [email.To(address) for address in settings().alert_recipients if _is_address(address)]
    if recipients:
        await email.send_bulk(
            session,
            recipients,
            template="alert",
            data=data,
            policy="at_least_once",
            options=Options(priority=-10, tags=["alert"]),
        )
    for url in settings().alert_webhooks:
        await _post(session, url, {"type": "alert", "level": level, "title": title, "body": body,
                                   "held_back": data["held_back"]})  # fmt: skip
    return True


async def _post(session: AsyncSession, url: str, payload: dict[str, Any]) -> None:
    try:
        await webhook.send(session, url, payload)
    except BadArguments as error:
        log.error("an alert's webhook is left out", error=str(error))  # noqa: TRY400 (its trace says no more)


def _is_address(text: str) -> bool:
    try:
        read_address(text, "ALERT_RECIPIENTS")
    except BadArguments as error:
        log.error("an alert's recipient is left out", error=str(error))  # noqa: TRY400 (its trace says no more)
        return False
    return True
