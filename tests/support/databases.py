"""Where the tests' rows and messages go: a database and a Redis number that nobody else uses."""

import os
import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redis.asyncio

from runtime.companion import is_alive
from runtime.lease import process_name

_TABLES = """
select quote_ident(tablename) as name from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'
"""
# Of tables that a test has emptied itself.
_COUNTED = """
select quote_ident(sequencename) as name from pg_sequences where schemaname = 'public' and last_value is not null
"""


async def create_database(url: str) -> str:
    """A new database on that server. Returns its URL."""
    name = f"callboard_test_{secrets.token_hex(4)}"
    await _execute(url, f"create database {name}")
    return _with_path(url, name)


async def drop_database(url: str) -> None:
    await _execute(_with_path(url, "postgres"), f"drop database {urlsplit(url).path[1:]} with (force)")


async def empty_redis(url: str) -> str:
    """The URL of a database number of that server in which there is nothing. The processes of one run begin at numbers
    of their own: one stays empty until its first test."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for number in range(15 - process, 0, -processes):
        candidate = _with_path(url, str(number))
        async with redis.asyncio.Redis.from_url(candidate, socket_timeout=10) as client:
            if await client.dbsize() == 0:
                return candidate
    raise AssertionError(
        f"The Redis of REDIS_URL has too few empty databases among 1 to 15: empty {processes} for the tests."
    )


async def leave_empty(url: str) -> None:
    """As it was found."""
    async with redis.asyncio.Redis.from_url(url, socket_timeout=10) as client:
        await client.flushdb()


async def clean(database_url: str, redis_url: str) -> None:
    """The state every test starts from: all tables empty but Alembic's, no messages."""
    connection = await _connect(database_url)
    try:
        await _empty(connection)
    finally:
        await connection.close()
    await leave_empty(redis_url)


async def _empty(connection: asyncpg.Connection) -> None:
    """Only the tables that hold something: each costs some milliseconds, and most tests touch few of them."""
    tables = [row["name"] for row in await connection.fetch(_TABLES)]
    if not tables:
        return
    holds = " union all ".join(f"select {name!r} as name where exists (select from {name})" for name in tables)
    # Workers and schedulers that tests share go on meanwhile: PostgreSQL ends a deadlock with them.
    for _ in range(20):
        try:
            if full := [row["name"] for row in await connection.fetch(holds)]:
                await _truncate(connection, full)
        except asyncpg.DeadlockDetectedError:
            continue
        for row in await connection.fetch(_COUNTED):
            await connection.execute(f"alter sequence {row['name']} restart")
        return
    raise AssertionError("The tables could not be emptied: there was a deadlock each time.")


async def _truncate(connection: asyncpg.Connection, tables: list[str]) -> None:
    """Workers that live keep their rows: without one a worker believes that it was given up."""
    async with connection.transaction():
        await connection.execute("lock table workers in access exclusive mode")
        workers = await connection.fetch("select pid, process, to_jsonb(w)::text as row from workers w")
        await connection.execute(f"truncate {', '.join(tables)} restart identity cascade")
        await connection.execute(
            "insert into workers select w.* from unnest($1::text[]) as t(row),"
            " jsonb_populate_record(null::workers, t.row::jsonb) w on conflict do nothing",
            [worker["row"] for worker in workers if _lives(worker["pid"], worker["process"])],
        )
        await connection.execute("update workers set heartbeat_at = now()")


def _lives(pid: int, process: str) -> bool:
    return pid != os.getpid() and is_alive(pid) and process_name(pid) == process


async def _execute(url: str, statement: str) -> None:
    connection = await _connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    # asyncpg does not know SQLAlchemy's driver names.
    return await asyncpg.connect("postgresql://" + url.split("://", 1)[1], timeout=60, command_timeout=300)


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
