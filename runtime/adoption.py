"""Gives rows to messages that have none: sent by `actor.send()`, periodiq, dramatiq-dashboard, another program."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import structlog

from db import jobs
from db.database import Database
from runtime.delivery import Delivery
from runtime.patience import patiently
from runtime.punctuality import Punctuality
from runtime.transport import TRANSPORT_OPTIONS

if TYPE_CHECKING:
    from runtime.broker import Broker

log = structlog.get_logger("callboard")

_FARTHEST = 10 * 366 * 86_400  # seconds; what is due later than in ten years is due then


class Adoption:
    """Lives on the worker's event loop."""

    def __init__(self, broker: "Broker", database: Database) -> None:
        self._broker, self._database = broker, database
        self._punctuality = Punctuality(broker, database)

    async def adopt(self, foreign: list[Delivery]) -> list[Delivery]:
        """Write rows for these. Returns those that are not to be claimed now: their rows will send them."""
        again = [d for d in foreign if "requeued" in d.options and await self._queue_again(d)]
        too_late, planned = await self._punctuality.judge([d for d in foreign if d not in again])
        new = [d for d in foreign if d not in again and d not in too_late]
        unwritable = await self._insert(new)
        await self._punctuality.record([run for run in planned if run.delivery not in unwritable])
        done = [*again, *too_late, *unwritable]
        return [*done, *(d for d in new if d.source.endswith(".DQ") and d not in unwritable)]

    async def _queue_again(self, delivery: Delivery) -> bool:
        """A dead letter that a person requeued in dramatiq-dashboard: its job is run again, if it can be."""

        async def attempt() -> bool:
            async with self._database.connection() as connection:
                return bool(await connection.fetch(jobs.QUEUE_AGAIN, [delivery.job_id]))

        try:
            return await patiently("queueing a dead letter again", attempt)
        except asyncpg.UniqueViolationError:  # another job with its unique key has come to life this moment
            return False

    async def _insert(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Write rows. Returns those that cannot be written, marked as failed: dead letters that people see."""
        if not deliveries:
            return []
        try:
            await patiently("adopting messages", partial(self._write, list(map(self._row, deliveries))))
        except asyncpg.PostgresError as error:
            if len(deliveries) > 1:  # one of them: find it
                return [d for delivery in deliveries for d in await self._insert([delivery])]
            log.error("a message cannot be stored as a job: dead-lettered", job=str(deliveries[0]), error=repr(error))  # noqa: TRY400
            deliveries[0].fail()
            return deliveries
        return []

    async def _write(self, rows: Iterable[tuple[Any, ...]]) -> None:
        columns = map(list, zip(*rows, strict=True))
        async with self._database.connection() as connection:
            *first, expires = columns
            await connection.execute(jobs.ADOPT, *first, _FARTHEST, expires)

    def _row(self, delivery: Delivery) -> tuple[Any, ...]:
        options = {key: value for key, value in delivery.options.items() if key not in TRANSPORT_OPTIONS}
        actor = self._broker.actors.get(delivery.actor_name)
        return (
            delivery.job_id,
            delivery.actor_name,
            delivery.source.removesuffix(".DQ"),
            orjson.dumps(delivery.args).decode(),
            orjson.dumps(delivery.kwargs).decode(),
            orjson.dumps(options).decode() if options else None,
            actor.priority if actor else 0,
            self._broker.retries.max_attempts(actor, options),
            delivery.eta / 1000 if delivery.source.endswith(".DQ") and delivery.eta is not None else None,
            self._broker.limits.expires(actor) if actor else None,
        )
