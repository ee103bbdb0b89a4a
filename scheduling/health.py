"""Tells people that health has changed, once for each change, and notices when nobody looks at it any more.

The row that health_check writes is what an outbox is: that people are told, and that they have been, is committed
together. Where many changes have piled up, while no scheduler ran, each is told.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from db import health
from runtime.client import Client
from scheduling.leader import Leader
from services import alerts

_PERIOD = 5.0  # seconds
_LEVELS: dict[str, alerts.Level] = {"healthy": "info", "warning": "warning", "critical": "critical"}


class HealthAlerts:
    def __init__(self, client: Client, leader: Leader, silence: float) -> None:
        self._client, self._leader, self._silence = client, leader, silence

    async def run_once(self) -> float:
        """Tell of the next change. Returns the seconds until there is something to do again."""
        if not self._leader.leads:
            return _PERIOD
        async with self._client.database.connection() as connection:
            await connection.execute(health.RECORD_SILENCE, self._silence, self._leader.holder, self._leader.term)
        async with self._client.session() as session:
            told = await tell(session)
            await session.commit()
        return 0.0 if told else _PERIOD


async def tell(session: AsyncSession) -> bool:
    """Alert people of the earliest change of which they were not told, in the caller's transaction. False: there is
    none, or another is at it."""
    connection = await session.connection()
    change = (await connection.exec_driver_sql(health.TAKE_CHANGE)).first()
    if change is None:
        return False
    lines = "\n".join(f"- {reason}" for reason in change.reasons)
    await alerts.notify(
        session,
        _LEVELS[change.status],
        f"Health: {change.status}, was {change.previous}",
        f"As of {change.checked_at:%Y-%m-%d %H:%M:%S} UTC:\n\n{lines or 'All is well again.'}",
        key=f"health-check-{change.id}",
    )
    return True
