"""What a command needs to reach the jobs, from its first statement to its commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from db.database import UNAVAILABLE, cause
from errors import BadRequest, ServerUnavailable
from runtime.client import Client
from settings import load

T = TypeVar("T")

# A server that is away, or that cannot be used as it is: who we are, which database, tables of another version.
_UNUSABLE = (
    *UNAVAILABLE,
    RedisError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
)


def run(command: Callable[[Client], Awaitable[T]]) -> T:
    """Call `command` with an open client and wait for it. Raises ServerUnavailable when a server is away."""
    return asyncio.run(_run(command))


async def _run(command: Callable[[Client], Awaitable[T]]) -> T:
    try:
        async with Client.open(load()) as client:
            return await command(client)
    except BrokenPipeError:  # whoever read the output has gone
        raise
    except (DBAPIError, asyncpg.DataError, *_UNUSABLE) as error:
        said = cause(error) if isinstance(error, DBAPIError) else error
        if isinstance(said, asyncpg.DataError):
            raise BadRequest(
                "Something that was given cannot be looked for or stored: a number or a time out of all range."
            ) from error
        if not isinstance(said, _UNUSABLE):
            raise
        raise ServerUnavailable(
            f"A server could not be used: {reason(error)}\n"
            "`callboard settings` shows where both are; `callboard migrate` makes the tables."
        ) from error


def reason(error: BaseException) -> str:
    """Why, in a line: the kind of error, and what was said first; a driver's whole message can hold the URL."""
    said = cause(error) if isinstance(error, DBAPIError) else error
    first = next(iter(str(said).strip().splitlines()), "")
    return f"{type(said).__name__}: {first}" if first else type(said).__name__
