"""What is going on right now, in a few numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db import metrics, overview
from services import queues, statistics
from services.schedules.lists import LATE
from services.statistics import By, Totals

COUNTED = 10_000  # jobs of a queue that are counted at most
GROUPED = 10_000  # jobs that are counted at most by actor; as many of each queue
UNSERVED = 2_000  # jobs of each queue without a worker that are looked at
_PATIENCE = 15.0  # seconds for which jobs may be due in a queue without a worker: one may be about to start


@dataclass(frozen=True)
class Live:
    running: int
    waiting: int  # due, and not started
    scheduled: int  # due later
    held: int  # paused, or waiting for something
    oldest: datetime | None  # since when the job is due that has waited longest
    oldest_queue: str | None
    next_run_at: datetime | None  # when the next job is due
    workers: int
    slots: int  # jobs that all workers together can run at once
    is_capped: bool  # there are more jobs than were counted: at least so many are waiting, scheduled, held


async def live(session: AsyncSession) -> Live:
    """Jobs that have not ended (of each queue the first COUNTED), and who is there to run them."""
    connection = await session.connection()
    row = (await connection.exec_driver_sql(overview.LIVE, (COUNTED,))).one()
    return Live(**row._asdict())


@dataclass(frozen=True)
class Group:
    """A queue or an actor: its jobs that have not ended, and what ended within the period."""

    name: str
    ended: Totals
    running: int = 0
    waiting: int = 0
    scheduled: int = 0
    held: int = 0

    @property
    def live(self) -> int:
        return self.running + self.waiting + self.scheduled + self.held


@dataclass(frozen=True)
class Groups:
    busiest: list[Group]
    is_capped: bool  # more jobs have not ended than are counted: there are at least so many


async def groups(session: AsyncSession, period: timedelta, by: By, most: int = 50) -> Groups:
    """Queues or actors, those first of which the most jobs ended, then those with the most that have not."""
    ended = {one.name: one for one in await statistics.totals(session, period, by, most)}
    live, is_capped = await (_of_queues(session) if by == "queue" else _of_actors(session))
    names = ended.keys() | live.keys()
    found = [Group(name, ended.get(name, Totals(name)), *live.get(name, ())) for name in names]
    found.sort(key=lambda one: (-one.ended.ended, -one.live, one.name))
    return Groups(found[:most], is_capped)


async def _of_queues(session: AsyncSession) -> tuple[dict[str, tuple[int, int, int, int]], bool]:
    """How many run, are due, are due later and are held, of those that have any; and whether there may be more."""
    listed = await queues.listed(session)
    counts = {queue.name: (queue.running, queue.due, queue.later, queue.held) for queue in listed}
    live = {name: count for name, count in counts.items() if any(count)}
    return live, any(queue.is_capped for queue in listed)


async def _of_actors(session: AsyncSession) -> tuple[dict[str, tuple[int, int, int, int]], bool]:
    connection = await session.connection()
    rows = await connection.exec_driver_sql(overview.LIVE_BY_ACTOR, (GROUPED,))
    live = {row.name: (row.running, row.waiting, row.scheduled, row.held) for row in rows}
    return live, sum(map(sum, live.values())) >= GROUPED


@dataclass(frozen=True)
class Unserved:
    """A queue that no worker takes from, though its jobs are due."""

    queue: str
    due: int  # jobs, of the first UNSERVED
    oldest: datetime  # since when the first of them is due


@dataclass(frozen=True)
class Attention:
    """What somebody should look at besides errors."""

    unserved: list[Unserved]
    late: int  # schedules
    disabled: int  # endpoints, within the period


async def attention(session: AsyncSession, hours: int, most: int = 5) -> Attention:
    connection = await session.connection()
    counts = await connection.exec_driver_sql(overview.ATTENTION, (LATE.total_seconds(), float(hours)))
    row = counts.one()
    return Attention(await _unserved(session, most), row.late, row.disabled)


@dataclass(frozen=True)
class Alarm:
    """What stands still."""

    unserved: list[Unserved]
    has_leader: bool


async def alarm(session: AsyncSession, most: int = 3) -> Alarm:
    connection = await session.connection()
    leader = (await connection.exec_driver_sql(metrics.LEADER)).first()
    return Alarm(await _unserved(session, most), bool(leader and leader.leads))


async def _unserved(session: AsyncSession, most: int) -> list[Unserved]:
    connection = await session.connection()
    rows = await connection.exec_driver_sql(overview.UNSERVED, (UNSERVED, _PATIENCE, most))
    return [Unserved(**row._asdict()) for row in rows]


@dataclass(frozen=True)
class Trouble:
    """An error that is seen again and again."""

    fingerprint: str
    error_type: str
    pattern: str
    occurrences: int  # within the period
    last_seen_at: datetime


async def troubles(session: AsyncSession, hours: int, most: int = 5) -> list[Trouble]:
    """The errors seen most within the last hours; without those that are muted, or resolved and not seen since."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(overview.TROUBLES, (float(hours), most))
    return [Trouble(**row._asdict()) for row in rows]
