"""These tests share the processes of the engine."""

import pytest_asyncio

from runtime.client import Client
from tests.runtime.engine import engine, hurry, running, stage

__all__ = ["engine", "hurry", "running", "stage"]


@pytest_asyncio.fixture
async def nobody(client: Client) -> None:
    """No worker lives, and nobody leads."""
    async with client.database.connection() as connection:
        await connection.execute("truncate workers, leases")
