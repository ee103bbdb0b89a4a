"""A server that refuses is a server that is away, whoever asks it: whoever waits for one goes on waiting."""

import asyncio

import asyncpg
import pytest

from db.database import UNAVAILABLE, Database
from settings import Settings
from tests.faults.proxy import Proxy, nothing

STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What PostgreSQL answers while it recovers from a crash."""
    while length := int.from_bytes(await reader.readexactly(4)):
        if int.from_bytes((await reader.readexactly(length - 4))[:4]) != 80877103:  # it is no question for TLS
            break
        writer.write(b"N")
    writer.write(b"E" + (len(STARTING_UP) + 4).to_bytes(4) + STARTING_UP)
    writer.close()


async def test_a_server_that_is_starting_up_is_away() -> None:
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(Settings.model_validate({"database_url": f"postgresql://ada@127.0.0.1:{port}/callboard"}))
    with pytest.raises(UNAVAILABLE, match="starting up"):
        async with database.connection():
            pass
    await database.close()
    server.close()


async def test_a_server_that_goes_away_at_the_very_first_connection_is_away(settings: Settings) -> None:
    """Given a pool that has never been used, whose first connection is cut while SQLAlchemy asks for the server's
    version, then that is a server that is away, and the next try is answered."""
    async with Proxy.to(str(settings.database_url)) as proxy:
        proxy.swallows = lambda request: b"pg_catalog.version" in request
        database = Database(
            Settings.model_validate({"database_url": proxy.instead_of(str(settings.database_url))}), pool=2
        )
        with pytest.raises(UNAVAILABLE):
            async with database.connection():
                pass
        proxy.swallows = nothing
        async with database.connection() as connection:
            assert await connection.fetchval("select 1") == 1
        await database.close()


async def test_a_connection_whose_driver_has_lost_its_place_is_replaced(settings: Settings) -> None:
    """asyncpg says so when a server goes away between the parts of its answer: that is a server that is away, and the
    connection is of no use any more."""
    database = Database(settings, pool=2)
    with pytest.raises(UNAVAILABLE):
        async with database.connection() as lost:
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    async with database.connection() as connection:
        assert connection is not lost
        assert await connection.fetchval("select 1") == 1
    await database.close()
