"""Tells people, once, that mails wait because a provider refuses our login, key or account."""

from sqlalchemy.ext.asyncio import AsyncSession

from db import emails
from runtime.client import Client
from scheduling.leader import Leader
from services import alerts
from settings import settings

_PERIOD = 5.0  # seconds
_KEY = "email-held"
_COUNTED = 1_000


class HeldMail:
    def __init__(self, client: Client, leader: Leader) -> None:
        self._client, self._leader = client, leader

    async def run_once(self) -> float:
        """Returns the seconds until there is something to do again."""
        if self._leader.leads:
            async with self._client.session() as session:
                await tell(session)
                await session.commit()
        return _PERIOD


async def tell(session: AsyncSession) -> bool:
    """Alert people, in the caller's transaction, if mails are held that were not when they were last told."""
    connection = await session.connection()
    held = (await connection.exec_driver_sql(emails.HELD, (_KEY, _COUNTED, settings().alert_window))).first()
    if held is None:
        return False
    more = " or more" if held.mails == _COUNTED else ""
    return await alerts.notify(
        session,
        "critical",
        "E-mail waits: a provider refuses our credentials",
        f"{held.error}\n\nMails that wait: {held.mails:,}{more}, the first since {held.since:%Y-%m-%d %H:%M:%S} UTC. "
        "None is lost, and none has used up an attempt: they leave by themselves once the settings are right and the "
        "workers were restarted, or the provider lets us in again. One that has waited for a day fails.",
        key=_KEY,
    )
