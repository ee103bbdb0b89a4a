"""Rows that a test holds, and the statements that wait for them: the moment between a deed and its record lasts."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from runtime.client import Client
from tests.support.waiting import wait_for


@asynccontextmanager
async def locked(client: Client, table: str, rows: Sequence[uuid.UUID]) -> AsyncIterator[asyncpg.Connection]:
    """These rows cannot be written by anybody until the end."""
    async with client.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch(f"select from {table} where id = any($1::uuid[]) for update", rows)
        try:
            yield connection
        finally:
            await transaction.rollback()


async def statements_wait(client: Client, count: int = 1) -> None:
    """Wait until so many statements are at the locks."""

    async def look() -> bool:
        return await _waiting(client) >= count

    await wait_for(look, what=f"{count} statements at the locks")


async def end_waiting_statements(client: Client, connection: asyncpg.Connection) -> None:
    """What a dead worker has asked for would else be carried out once the locks are gone."""
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )

    async def look() -> bool:
        return await _waiting(client) == 0

    await wait_for(look, what="the end of the dead worker's statements")


async def _waiting(client: Client) -> int:
    async with client.database.connection() as connection:
        count: int = await connection.fetchval(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
    return count
