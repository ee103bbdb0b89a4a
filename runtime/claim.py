"""From a batch of fetched messages to the runs that are this worker's."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import asyncpg
import structlog

from db import jobs, pauses
from db.database import Database
from runtime.adoption import Adoption
from runtime.checkpoints import Checkpoints
from runtime.delivery import Delivery
from runtime.grants import Grants
from runtime.lease import WorkerLease
from runtime.patience import patiently
from runtime.pauses import Pauses
from runtime.settlement import Settlement
from runtime.telemetry import Telemetry
from settings import Settings

if TYPE_CHECKING:
    from runtime.broker import Broker

log = structlog.get_logger("callboard")

_UNKNOWN_ACTOR_DELAY = 30.0  # seconds; a deploy that brings the actor is probably under way


async def claim(
    database: Database, deliveries: Sequence[Delivery], worker: uuid.UUID
) -> dict[uuid.UUID, asyncpg.Record]:
    """Claim jobs. Returns the rows of those that are the worker's now. A claim whose answer was lost is made again, and
    only then read: what of the lost one may still be under way in PostgreSQL, the second waits for."""
    is_again = False
    ids, attempts = [d.job_id for d in deliveries], [d.attempt for d in deliveries]

    async def attempt() -> dict[uuid.UUID, asyncpg.Record]:
        nonlocal is_again
        reads, is_again = is_again, True
        async with database.connection() as connection:
            won = await connection.fetch(jobs.CLAIM, ids, attempts, worker)
            if reads:
                won += await connection.fetch(jobs.CLAIMED, ids, attempts, worker)
            return {row["id"]: row for row in won}

    return await patiently("claiming jobs", attempt) if ids else {}


class Claim:
    """Belongs to the worker's event loop."""

    def __init__(
        self,
        broker: "Broker",
        settings: Settings,
        database: Database,
        lease: WorkerLease,
        settlement: Settlement,
        checkpoints: Checkpoints,
        known_pauses: Pauses,
        grants: Grants,
        telemetry: Telemetry,
    ) -> None:
        self._broker, self._settings, self._database, self._lease = broker, settings, database, lease
        self._settlement, self._checkpoints, self._pauses = settlement, checkpoints, known_pauses
        self._grants, self._telemetry = grants, telemetry
        self._adoption = Adoption(broker, database)

    async def won(self, deliveries: Sequence[Delivery]) -> AsyncIterator[list[Delivery]]:
        """Claim a fetched batch and drop the rest of it. Gives those without a limit first: they need not wait."""
        foreign = [delivery for delivery in deliveries if delivery.is_adopted]
        if foreign:
            done = await self._adoption.adopt(foreign)
            self._settlement.drop(done)
            deliveries = [delivery for delivery in deliveries if delivery not in done]
        unknown = [delivery for delivery in deliveries if delivery.actor_name not in self._broker.actors]
        if unknown:
            await self._put_off(unknown)
            deliveries = [delivery for delivery in deliveries if delivery not in unknown]
        await self._lease.registered.wait()
        deliveries = await self._hold_back(self._latest(deliveries))
        for delivery in deliveries:
            delivery.limit = self._broker.limits.of(delivery.actor_name, delivery.args, delivery.kwargs)
        plain = [delivery for delivery in deliveries if delivery.limit is None]
        limited = [delivery for delivery in deliveries if delivery.limit is not None]
        yield await self._take(plain, await claim(self._database, plain, self._lease.worker))
        if limited:
            yield await self._take(limited, await self._grants.claim(limited, self._lease.worker))

    def _latest(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """One of each job. Where Redis gave back what a lost worker held, an older message may stand before the one
        that the job's row is about: attempts only grow, so that is the one with the highest."""
        if len({delivery.job_id for delivery in deliveries}) == len(deliveries):
            return list(deliveries)
        latest = {delivery.job_id: delivery for delivery in sorted(deliveries, key=lambda one: one.attempt)}
        self._settlement.drop([delivery for delivery in deliveries if latest[delivery.job_id] is not delivery])
        return list(latest.values())

    async def _take(self, deliveries: list[Delivery], won: dict[uuid.UUID, asyncpg.Record]) -> list[Delivery]:
        """Those that were won, each now the run that it is. The others are dropped."""
        claimed: list[Delivery] = []
        lost: list[Delivery] = []
        now = asyncio.get_running_loop().time()
        for delivery in deliveries:
            if delivery.job_id not in won:
                lost.append(delivery)
                continue
            row = won[delivery.job_id]
            delivery.max_attempts, delivery.releases = row["max_attempts"], row["releases"]
            delivery.workflow_id = row["workflow_id"]
            delivery.attempt += 1
            delivery.claimed_at = now
            claimed.append(delivery)
        if lost:
            self._settlement.drop(lost)
        again = [delivery for delivery in claimed if delivery.attempt > 1]
        if again:
            await self._checkpoints.load(again)
        self._telemetry.changes.tell(delivery.job_id for delivery in claimed)
        return claimed

    async def _put_off(self, unknown: list[Delivery]) -> None:
        """A deploy that brings their actors is probably under way; if none comes they become dead letters."""
        names = sorted({delivery.actor_name for delivery in unknown})
        log.warning("no such actor here; its jobs are put off", actors=names, seconds=_UNKNOWN_ACTOR_DELAY)
        limit = self._settings.unknown_actor_limit

        async def attempt() -> list[asyncpg.Record]:
            async with self._database.connection() as connection:
                ids, attempts = [d.job_id for d in unknown], [d.attempt for d in unknown]
                return list(await connection.fetch(jobs.PUT_OFF, ids, attempts, _UNKNOWN_ACTOR_DELAY, limit))

        given_up = {row["id"] for row in await patiently("putting off jobs", attempt) if row["state"] == "failed"}
        for delivery in unknown:
            if delivery.job_id in given_up:
                log.error("no worker has known its actor for too long", job=str(delivery), seconds=limit)
                delivery.fail()
        self._settlement.drop(unknown)

    async def _hold_back(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Jobs of paused queues go back, all if this worker drains; those of paused actors wait. Returns the others."""
        await self._pauses.known.wait()
        back = [delivery for delivery in deliveries if self._pauses.rests(delivery.source)]
        of_paused = [d for d in deliveries if d.actor_name in self._pauses.actors and d not in back]
        if not back and not of_paused:
            return deliveries

        async def hold(statement: str, held: list[Delivery]) -> set[uuid.UUID]:
            async with self._database.connection() as connection:
                rows = await connection.fetch(statement, [d.job_id for d in held], [d.attempt for d in held])
                return {row["id"] for row in rows}

        await patiently("giving back jobs of a paused queue", lambda: hold(jobs.UNDISPATCH, back))
        ids = await patiently("holding jobs of a paused actor", lambda: hold(pauses.BLOCK, of_paused))
        held = [*back, *(delivery for delivery in of_paused if delivery.job_id in ids)]
        self._settlement.drop(held)
        return [delivery for delivery in deliveries if delivery not in held]
