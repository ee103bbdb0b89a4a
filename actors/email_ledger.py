"""Takes mails and writes down what became of them, those of many jobs in one statement."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import asyncpg
import orjson

from db import emails
from db.database import Database
from runtime.together import Together, to_the_end


class Wanted(NamedTuple):
    """A run and its mail: the parameters of CLAIM."""

    email: uuid.UUID
    job: uuid.UUID
    run: int  # the attempt of the job
    again: bool = False  # though nobody knows whether it has left


@dataclass(frozen=True)
class Outcome:
    """What a run made of its mail: an element of what SETTLE takes."""

    id: uuid.UUID
    run: int
    status: str
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Any] | None = None
    suppressed: list[str] | None = None
    provider: str | None = None
    provider_id: str | None = None
    error: str | None = None


class Ledger:
    """One for each worker process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Together(self._claim_free, self._claim_alone)
        self._outcomes = Together(self._settle_free, self._settle_alone)

    async def claim(self, wanted: Wanted) -> asyncpg.Record | None:
        """A row of CLAIM, committed; None if the mail has ended, or another run has it.

        When the run is cancelled meanwhile the mail is queued again: it has not left, and nobody is to wonder.
        """
        claiming = asyncio.get_running_loop().create_task(self._claims.ask(wanted))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # a claim that failed has nothing to be given back
                row = await claiming
                if row is not None:
                    await self.settle(Outcome(wanted.email, wanted.run, "queued", list(row["accepted"])))
            raise

    async def settle(self, outcome: Outcome) -> bool:
        """Whether it was written down, and committed; else a later run has the mail."""
        return await to_the_end(self._outcomes.ask(outcome)) is not None

    async def _claim_free(self, wanted: list[Wanted]) -> list[asyncpg.Record | None]:
        return await self._claim(emails.CLAIM_FREE, wanted)

    async def _claim_alone(self, wanted: Wanted) -> asyncpg.Record | None:
        return (await self._claim(emails.CLAIM, [wanted]))[0]

    async def _claim(self, statement: str, wanted: list[Wanted]) -> list[asyncpg.Record | None]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *map(list, zip(*wanted, strict=True)))
        mine = {(row["id"], row["run"]): row for row in rows}
        return [mine.get((one.email, one.run)) for one in wanted]

    async def _settle_free(self, outcomes: list[Outcome]) -> list[uuid.UUID | None]:
        return await self._settle(emails.SETTLE_FREE, outcomes)

    async def _settle_alone(self, outcome: Outcome) -> uuid.UUID | None:
        return (await self._settle(emails.SETTLE, [outcome]))[0]

    async def _settle(self, statement: str, outcomes: list[Outcome]) -> list[uuid.UUID | None]:
        told = orjson.dumps(outcomes, default=str).decode()  # asyncpg has a UUID of its own
        async with self._database.connection() as connection:
            written = {row["id"] for row in await connection.fetch(statement, told)}
        return [outcome.id if outcome.id in written else None for outcome in outcomes]


@cache
def ledger(database: Database) -> Ledger:
    """The ledger of the worker whose pool this is."""
    return Ledger(database)
