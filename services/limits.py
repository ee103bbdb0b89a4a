"""Limits in use: what each key allows, how much of it is taken, and setting it otherwise than the code declares it.

In the caller's transaction, with a row in the audit. `who` is a user's name, an API key's, or "cli:<login name>".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from db import limits
from errors import BadArguments, Conflict, NotFound
from runtime.limited import MOST, read_rate
from runtime.transport import CHANGED, WAKE, Notice
from services import audit
from services.control import check_reason

if TYPE_CHECKING:
    from runtime.outbox import Outbox

COUNTED = 10_000
_SHOWN, _LOOKED_AT = 20, 1_000
_PERIODS = {1.0: "s", 60.0: "m", 3_600.0: "h", 86_400.0: "d"}


@dataclass(frozen=True)
class LimitInUse:
    key: str
    concurrency: int | None
    rate: int | None
    per: float | None  # seconds
    used_at: datetime
    running: int
    started: int  # within the period
    waiting: int  # counted up to COUNTED
    declared_concurrency: int | None = None  # as the code has it, where people have set it otherwise
    declared_rate: int | None = None
    declared_per: float | None = None
    set_by: str | None = None
    set_at: datetime | None = None
    set_reason: str | None = None

    @property
    def rate_limit(self) -> str | None:
        """As it is written: "10/m"."""
        return _written(self.rate, self.per)

    @property
    def declared_rate_limit(self) -> str | None:
        return _written(self.declared_rate, self.declared_per)

    @property
    def declared(self) -> str:
        """In words, what the code has; empty unless it is set otherwise."""
        most = [f"{self.declared_concurrency} at once"] if self.declared_concurrency else []
        return ", ".join(most + ([f"{self.declared_rate_limit} started"] if self.declared_rate else []))


async def of_actor(session: AsyncSession, name: str, most: int = _SHOWN) -> list[LimitInUse]:
    """Those of its keys that are set, then those that were used last, of the first thousand."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(limits.IN_USE, (name, COUNTED, _LOOKED_AT, most))
    return [LimitInUse(**row._asdict()) for row in rows]


async def get(session: AsyncSession, key: str) -> LimitInUse:
    """Raises NotFound."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(limits.IN_USE, (key, COUNTED, 0, 1))).first()
    if row is None:
        raise NotFound(f"No limit has the key {key!r}. It is there from the first job that has it, for a day at least.")
    return LimitInUse(**row._asdict())


async def set_(
    session: AsyncSession, key: str, *, who: str, reason: str, concurrency: int | None = None, rate: str | None = None
) -> LimitInUse:
    """Let that many run at once, or start ("10/m"), whatever the code declares, until it is reset; None stays as it is.

    What runs already runs on. Raises NotFound, or BadArguments, its `path` naming what is wrong: also for a limit of a
    kind that the code does not have, as its jobs are not counted that way.
    """
    found = await get(session, key)
    check_reason(reason)
    if not reason.strip():
        raise BadArguments("Say why: the reason is what others read.", "reason")
    starts = _checked(found, concurrency, rate)
    values = (key, concurrency, *starts, who, reason)
    if not await _execute(session, limits.SET, values):
        raise Conflict(f"The limit of {key!r} has just been declared otherwise. Look at it again.")
    details: dict[str, Any] = {"concurrency": concurrency, "rate_limit": rate}
    before = {"concurrency": found.concurrency, "rate_limit": found.rate_limit}
    audit.note(session, who, "limit.set", target=key, reason=reason, details=details | {"before": before})
    return await get(session, key)


async def reset(session: AsyncSession, key: str, *, who: str, reason: str | None = None) -> LimitInUse:
    """It is as the code declares it again. Raises NotFound, or Conflict if it is so already."""
    await get(session, key)
    check_reason(reason)
    if not await _execute(session, limits.RESET, (key,)):
        raise Conflict(f"The limit of {key!r} is as the code declares it already.")
    audit.note(session, who, "limit.reset", target=key, reason=reason)
    return await get(session, key)


def _checked(found: LimitInUse, concurrency: int | None, rate: str | None) -> tuple[int | None, float | None]:
    """The rate, as starts in so many seconds."""
    if concurrency is None and rate is None:
        raise BadArguments("Say how many may run at once, or how many may start in a period.", "concurrency")
    if concurrency is not None and not 0 < concurrency <= MOST:
        raise BadArguments(f"1 to {MOST:,} may run at once. To run none, pause the actor.", "concurrency")
    starts = (None, None) if rate is None else read_rate(rate)
    if starts is None:
        raise BadArguments(f'{rate!r} is not understood. Write "10/s", "10/m", "10/h" or "10/d".', "rate_limit")
    for given, held, path in ((concurrency, found.concurrency, "concurrency"), (rate, found.rate, "rate_limit")):
        if given is not None and held is None:
            raise BadArguments(f"The code gives {found.key!r} no {path}: its jobs are not counted that way.", path)
    return starts


def _written(rate: int | None, per: float | None) -> str | None:
    return None if rate is None or per is None else f"{rate}/{_PERIODS.get(per) or f'{per:g} s'}"


async def _execute(session: AsyncSession, statement: str, values: tuple[Any, ...]) -> bool:
    """Whether it has changed anything; then the limiter looks at once, and open pages do."""
    connection = await session.connection()
    has_changed = (await connection.exec_driver_sql(statement, values)).first() is not None
    outbox: Outbox | None = session.info.get("outbox")
    if has_changed and outbox is not None:
        outbox.post(session, [Notice(WAKE, "limited"), Notice(CHANGED, "queues")])
    return has_changed
