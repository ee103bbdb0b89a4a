"""The connection pool: sessions for logic, bare asyncpg connections for the engine's hot statements."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy.exc
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from settings import Settings

# What is raised when the server is away, restarting, closed the connection, or undid a statement for others' sake.
UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver lost its place as the connection went
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,  # a server that has become a standby: the other one is to be found
    asyncpg.TransactionRollbackError,
    sqlalchemy.exc.TimeoutError,
)

_DIRECTLY: dict[str, Any] = {"server_settings": {"application_name": "callboard", "jit": "off"}}
# Behind a pooler in transaction mode the next transaction has another connection: what was prepared, or set, is not
# there. Statements without a name are prepared anew each time, in the transaction that needs them.
_THROUGH_A_POOLER: dict[str, Any] = {
    "server_settings": {"application_name": "callboard"},
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
}


class Database:
    """One pool on one event loop. Make it after the fork, on the loop that will use it."""

    def __init__(self, settings: Settings, pool: int | None = None, patience: float | None = None) -> None:
        """`patience` is how many seconds a statement may take: a network that has gone silent says nothing for ever.

        Without one they may take as long as they want, as an actor's own statements may.
        """
        self.engine: AsyncEngine = create_async_engine(
            settings.postgres,
            pool_size=pool or settings.database_pool,
            max_overflow=0,
            hide_parameters=True,  # errors are logged, and what jobs are given may be secret
            pool_use_lifo=True,  # an idle process keeps one warm connection busy and lets the others rest
            connect_args={
                "timeout": 10,
                "command_timeout": patience,
                **(_THROUGH_A_POOLER if settings.database_pooler else _DIRECTLY),
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    def session(self, **info: Any) -> AsyncSession:
        """A new session: `async with database.session() as session`, and commit at the edge."""
        return self._sessions(info=info)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A bare asyncpg connection in autocommit: each statement is its own transaction."""
        try:
            pooled = await self.engine.raw_connection()
        except AsyncAdapt_asyncpg_dbapi.Error as error:  # around what asyncpg says of a server that is starting up
            raise error.__cause__ or error from error
        except sqlalchemy.exc.DBAPIError as error:  # the same, around what the pool's very first connection asks
            raise cause(error) from error
        try:
            bare = pooled.driver_connection
            assert bare is not None
            try:
                yield bare
            except (TimeoutError, asyncpg.InternalClientError, asyncpg.ReadOnlySQLTransactionError):
                bare.terminate()  # nobody knows what it is doing, or it is of no use; the pool replaces it
                raise
        finally:
            pooled.close()  # in no greenlet: it has no transaction whose rollback would have to be waited for

    async def close(self) -> None:
        await self.engine.dispose()


def cause(error: sqlalchemy.exc.DBAPIError) -> BaseException:
    """What asyncpg itself said."""
    said = error.orig.__cause__ if error.orig else None
    return said or error


def _refuse_closed(connection: Any, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """A connection that the server has closed meanwhile is replaced on its way out of the pool, at no round trip."""
    if proxy.driver_connection is None or proxy.driver_connection.is_closed():
        raise sqlalchemy.exc.DisconnectionError
