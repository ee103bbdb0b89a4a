"""Writes down what schedules can be made of, and makes those that come with the code: once for each term."""

from actors import broker
from runtime import catalogue
from runtime.client import Client
from scheduling.defaults import DEFAULTS
from scheduling.leader import Leader
from services.schedules import seed
from settings import Settings

_PERIOD = 1.0  # seconds


class Seeder:
    def __init__(self, client: Client, settings: Settings, leader: Leader) -> None:
        self._client, self._settings, self._leader = client, settings, leader
        self._seeded = 0  # the term

    async def run_once(self) -> float:
        """Returns the seconds until it is to look again whether this process has come to lead."""
        term = self._leader.term
        if not self._leader.leads or term == self._seeded:
            return _PERIOD
        await catalogue.register(self._client.database, broker)
        if self._settings.seed_schedules:
            async with self._client.session() as session:
                await seed(session, DEFAULTS, self._settings)
                await session.commit()
        self._seeded = term
        return _PERIOD
