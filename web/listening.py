"""Nobody is let in without an account; where others could knock, we do not even open the door before there is one."""

import asyncio
import ipaddress
import os
import sys
import threading
from collections.abc import Sequence

import structlog
from asyncpg import PostgresError

from db.database import UNAVAILABLE, Database
from errors import ConfigurationError
from services import callers
from settings import Settings

log = structlog.get_logger(__name__)


def require_account(settings: Settings) -> None:
    """Raises ConfigurationError where others could reach us and there is no user and no key."""
    host = asked_for(sys.argv, settings)
    if is_loopback(host) or _any_account(settings):
        return
    raise ConfigurationError(
        f"It would listen on {host}, where others can reach it, and nobody has an account yet. Make the first one:\n"
        "  callboard users create admin --role admin\n"
        "Or listen on 127.0.0.1 alone."
    )


def asked_for(arguments: Sequence[str], settings: Settings) -> str:
    """The address that uvicorn was asked to listen on, by option, by its environment variable, or by HOST."""
    for position, argument in enumerate(arguments):
        if argument == "--host" and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith("--host="):
            return argument.partition("=")[2]
    return os.environ.get("UVICORN_HOST") or settings.host


def is_loopback(host: str) -> bool:
    """A name other than localhost may be anybody's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _any_account(settings: Settings) -> bool:
    """Asked in a thread: uvicorn's own loop runs already while it imports us."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(_ask(settings))))
    thread.start()
    thread.join()
    return answers == [True]


async def _ask(settings: Settings) -> bool:
    database = Database(settings, pool=2, patience=10)
    try:
        return await callers.any_account(database)
    except (*UNAVAILABLE, PostgresError) as error:
        # It is not ready, and says so at /ready; as long as that lasts nobody gets in.
        log.warning("the accounts cannot be looked at; nobody gets in until they can", error=type(error).__name__)
        return True
    finally:
        await database.close()
