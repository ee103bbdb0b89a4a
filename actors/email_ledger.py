"""Takes mails and writes down what became of them, those of many jobs in one statement."""

import asyncio
import uuid
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import asyncpg
import orjson
import structlog

from db import emails
from db.database import Database
from runtime.patience import patiently
from runtime.together import Together, to_the_end

log = structlog.get_logger("callboard")


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
    job_id: uuid.UUID
    run: int
    status: str
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Any] | None = None
    suppressed: list[str] | None = None
    provider: str | None = None
    provider_id: str | None = None
    error: str | None = None
    held: bool = False


class Ledger:
    """One for each worker process.

    It waits for a database that is away: a run that knows what became of its mail must not end before that is written.
    Both statements may be carried out twice for the same run, so a lost answer is asked for again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Together(partial(self._claim, emails.CLAIM_FREE), partial(self._claim, emails.CLAIM))
        self._outcomes = Together(partial(self._settle, emails.SETTLE_FREE), partial(self._settle, emails.SETTLE))

    async def claim(self, wanted: Wanted) -> asyncpg.Record | None:
        """A row of CLAIM, committed; None if the mail has ended, or another run has it.

        When the run is cancelled meanwhile the mail is queued again: it has not left, and nobody is to wonder.
        """
        claiming = asyncio.get_running_loop().create_task(self._claims.ask(wanted))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await self._give_back(wanted, claiming)
            raise

    async def _give_back(self, wanted: Wanted, claiming: "asyncio.Task[asyncpg.Record | None]") -> None:
        try:
            row = await claiming
            if row is not None:
                refused = orjson.loads(row["refused"] or b"null")
                await self.settle(
                    Outcome(wanted.email, wanted.job, wanted.run, "queued", list(row["accepted"]), refused)
                )
        except Exception:  # the run is cancelled all the same; if it had claimed, its next one has to wonder
            log.exception("a mail that has not left could not be given back", email=str(wanted.email))

    async def settle(self, outcome: Outcome) -> bool:
        """Whether it was written down, and committed; else a later run has the mail."""
        return await to_the_end(self._outcomes.ask(outcome)) is not None

    async def _claim(self, statement: str, wanted: list[Wanted]) -> list[asyncpg.Record | None]:
        rows = await patiently("claiming mails", partial(self._fetch, statement, *map(list, zip(*wanted, strict=True))))
        mine = {(row["id"], row["job_id"], row["run"]): row for row in rows}
        return [mine.get((one.email, one.job, one.run)) for one in wanted]

    async def _settle(self, statement: str, outcomes: list[Outcome]) -> list[uuid.UUID | None]:
        told = orjson.dumps(outcomes, default=str).decode()  # asyncpg has a UUID of its own
        rows = await patiently("writing down what became of mails", partial(self._fetch, statement, told))
        written = {(row["id"], row["job_id"], row["run"]) for row in rows}
        return [one.id if (one.id, one.job_id, one.run) in written else None for one in outcomes]

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
        return rows


@cache
def ledger(database: Database) -> Ledger:
    """The ledger of the worker whose pool this is."""
    return Ledger(database)
