"""Takes deliveries and writes down what became of them, those of many jobs in one statement."""

import uuid
from datetime import datetime
from functools import cache, partial
from typing import NamedTuple

import asyncpg

from db import webhooks
from db.database import Database
from runtime.together import Together, to_the_end


class Wanted(NamedTuple):
    """A run and its delivery: the parameters of CLAIM."""

    delivery: uuid.UUID
    job: uuid.UUID
    run: int  # the attempt of the job


class Attempt(NamedTuple):
    """What an attempt came to: the parameters of RECORD."""

    delivery: uuid.UUID
    run: int
    outcome: str | None
    failures: int  # 1, if it counts as one
    delay: float | None  # seconds until the next
    started_at: datetime
    url: str
    request_headers: str  # JSON, as the next three
    status: int | None = None
    code: str | None = None
    error: str | None = None
    response_headers: str | None = None
    response_body: str | None = None
    truncated: bool = False
    address: str | None = None
    timings: str | None = None
    quiet: float | None = None  # seconds for the whole endpoint

    def columns(self) -> list[list[object]]:
        """As RECORD takes it, if it is the only one."""
        return [[value] for value in self]


class Ledger:
    """One for each worker process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Together(partial(self._claim, webhooks.CLAIM_FREE), partial(self._claim, webhooks.CLAIM))
        self._records = Together(partial(self._record, webhooks.RECORD_FREE), partial(self._record, webhooks.RECORD))

    async def claim(self, wanted: Wanted) -> asyncpg.Record | None:
        """A row of CLAIM, committed; None if the delivery has ended, or another run has it."""
        return await self._claims.ask(wanted)

    async def record(self, attempt: Attempt) -> bool:
        """Whether it was written down, and committed; else the run was given up."""
        return await to_the_end(self._records.ask(attempt)) is not None

    async def _claim(self, statement: str, wanted: list[Wanted]) -> list[asyncpg.Record | None]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *map(list, zip(*wanted, strict=True)))
        mine = {(row["id"], row["run"]): row for row in rows}
        return [mine.get((one.delivery, one.run)) for one in wanted]

    async def _record(self, statement: str, attempts: list[Attempt]) -> list[uuid.UUID | None]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *map(list, zip(*attempts, strict=True)))
        written = {row["id"] for row in rows}
        return [attempt.delivery if attempt.delivery in written else None for attempt in attempts]


@cache
def ledger(database: Database) -> Ledger:
    """The ledger of the worker whose pool this is."""
    return Ledger(database)
