"""A server that refuses is a server that is away, whoever asks it: whoever waits for one goes on waiting."""

import asyncio

import pytest

from db.database import UNAVAILABLE, Database
from settings import Settings

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
