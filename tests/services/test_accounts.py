"""Tests of accounts: of two that are made under one name at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from errors import Conflict
from runtime.client import Client
from services import keys, users
from tests.support.waiting import wait_for

Create = Callable[[AsyncSession], Awaitable[Any]]
WAITING = "select count(*) = 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.mark.parametrize(
    "create",
    [
        pytest.param(lambda session: users.create(session, "ana", "ada", "viewer", None), id="user"),
        pytest.param(lambda session: keys.create(session, "ana", "ci", ["read"]), id="key"),
    ],
)
async def test_of_two_at_once_under_one_name_the_second_is_refused(client: Client, create: Create) -> None:
    """Given somebody who makes an account and has not committed yet, when another makes one of that name, then the
    other is told, once the first has, that it is there."""

    async def is_waiting() -> bool:
        async with client.database.connection() as connection:
            return bool(await connection.fetchval(WAITING))

    async with client.session() as first, client.session() as second:
        await create(first)
        refused = asyncio.ensure_future(create(second))
        await wait_for(is_waiting)
        await first.commit()
        with pytest.raises(Conflict, match="already"):
            await refused
