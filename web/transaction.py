"""One request, one transaction: committed before the response leaves, rolled back when the request fails."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from runtime.client import Client


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    client: Client = request.app.state.client
    async with client.session() as session:
        yield session
        await session.commit()


# Scope "function" ends it before the response is sent: nobody is told 201 for a row that was not committed.
Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]
