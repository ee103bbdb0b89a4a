"""The rules of the tables: rows that make no sense cannot be written, whoever writes them."""

import asyncpg
import pytest

from runtime.client import Client

ILLEGAL = {
    "no such state": "state = 'sleeping'",
    "running by nobody": "state = 'running', worker = null",
    "queued by a worker": "worker = gen_random_uuid()",
    "waiting by a worker": "state = 'waiting', worker = gen_random_uuid()",
    "paused by a worker": "state = 'paused', worker = gen_random_uuid()",
    "ended without a time": "state = 'succeeded', outcome = 1",
    "ended without an outcome": "state = 'failed', finished_at = now()",
    "an outcome without an end": "outcome = 1",
    "an end without an outcome": "finished_at = now()",
    "running and ended": "state = 'running', worker = gen_random_uuid(), outcome = 1, finished_at = now()",
    "an outcome that is not its state's": "state = 'succeeded', outcome = 2, finished_at = now()",
    "an outcome of its own": "state = 'failed', outcome = 7, finished_at = now()",
    "no run number": "attempt = -1",
}


async def insert(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "insert into jobs (id, actor, queue, args, kwargs) values (gen_random_uuid(), 'a', 'q', '[]', '{}')"
    )


@pytest.mark.parametrize("what", ILLEGAL)
async def test_an_illegal_row_is_refused(client: Client, what: str) -> None:
    async with client.database.connection() as connection:
        await insert(connection)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"update jobs set {ILLEGAL[what]}")


async def test_a_key_lives_once(client: Client) -> None:
    async with client.database.connection() as connection:
        await insert(connection)
        await insert(connection)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("update jobs set unique_key = 'k'")


async def test_an_attempt_is_kept_once(client: Client) -> None:
    attempt = (
        "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
        " select id, 1, gen_random_uuid(), now(), '', '', '' from jobs"
    )
    async with client.database.connection() as connection:
        await insert(connection)
        await connection.execute(attempt)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(attempt)
