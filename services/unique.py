"""Names that only one may have."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from errors import Conflict


async def flush(session: AsyncSession, constraint: str, taken: str) -> None:
    """Write what the session holds. Raises Conflict, saying `taken`, where another row stands in the way of that unique
    constraint: looking first would not see who comes at the same time."""
    try:
        await session.flush()
    except IntegrityError as error:
        if constraint not in str(error.orig):
            raise
        raise Conflict(taken) from None
