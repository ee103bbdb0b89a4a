"""What a command needs to reach the jobs, from its first statement to its commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from db.database import UNAVAILABLE
from errors import ServerUnavailable
from runtime.client import Client
from settings import load

T = TypeVar("T")


def run(command: Callable[[Client], Awaitable[T]]) -> T:
    """Call `command` with an open client and wait for it. Raises ServerUnavailable when a server is away."""
    return asyncio.run(_run(command))


async def _run(command: Callable[[Client], Awaitable[T]]) -> T:
    try:
        async with Client.open(load()) as client:
            return await command(client)
    except (*UNAVAILABLE, SQLAlchemyError, RedisError) as error:
        # The reason alone: a driver's whole message can hold the URL.
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ServerUnavailable(
            f"A server could not be used: {reason}\n"
            "`callboard settings` shows where both are; `callboard migrate` makes the tables."
        ) from error
