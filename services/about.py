"""Which Callboard this is, what it stands on, and how much it keeps."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from db import catalogue
from db.migrate import current_revision, is_newer
from runtime.client import Client
from runtime.version import VERSION


@dataclass(frozen=True)
class Table:
    """Sizes are bytes; `rows` is the planner's estimate."""

    name: str
    rows: int
    rows_bytes: int
    index_bytes: int

    @property
    def bytes(self) -> int:
        return self.rows_bytes + self.index_bytes


@dataclass(frozen=True)
class About:
    callboard: str
    python: str
    dramatiq: str
    postgresql: str
    redis: str | None  # None: it does not answer
    revision: str | None  # of the database's tables
    wanted_revision: str | None  # of this version of the code
    is_newer: bool  # the tables are of a later version, which this one can work with
    bytes: int  # of the whole database
    tables: list[Table]  # the largest first


async def about(client: Client) -> About:
    """Read from the catalogue alone: it costs the same however much there is."""
    revision, wanted = await current_revision(client.database)
    async with client.session() as session:
        connection = await session.connection()
        store = (await connection.exec_driver_sql(catalogue.STORE)).one()
        found = await tables(session)
    return About(
        callboard=VERSION,
        python=platform.python_version(),
        dramatiq=version("dramatiq"),
        postgresql=store.version.split()[0],
        redis=await _redis(client),
        revision=revision,
        wanted_revision=wanted,
        is_newer=is_newer(revision),
        bytes=store.bytes,
        tables=found,
    )


async def tables(session: AsyncSession) -> list[Table]:
    """The largest first."""
    connection = await session.connection()
    return [Table(**row._asdict()) for row in await connection.exec_driver_sql(catalogue.TABLES)]


async def _redis(client: Client) -> str | None:
    """`Redis 7.2.4`, or `Valkey 8.0.1`, which says for the sake of old clients that it is a Redis, too."""
    try:
        said = await client.redis.info("server")
    except (RedisError, OSError):
        return None
    if "valkey_version" in said:
        return f"Valkey {said['valkey_version']}"
    return f"Redis {said['redis_version']}"
