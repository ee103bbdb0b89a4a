"""Finding jobs among millions: every question is bounded, whatever it asks for.

First PostgreSQL gets half of the time to answer by whatever index it thinks best. What it cannot answer in that, and
what no index could (text within arguments), is looked for newest first, a window of some thousand jobs after the other,
until the page is full or the time is over: then the answer says how far back it has looked, and where to go on.

Pages are by key, not by number: a page begins after the last job of the one before, however many come meanwhile. Jobs
are sorted by when they were created, and where only ended ones are asked for, by when they ended.
"""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import asyncpg
import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Result,
    Select,
    Text,
    and_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer

from db.database import cause
from db.jobs import Outcome
from db.models import Job, JobAttempt, ScheduledJobExecution, Worker

Word = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]

State = Literal[
    "waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled",  # as stored
    "scheduled", "retrying", "cancelling", "pausing", "stalled",  # seen from the row's other columns
]  # fmt: skip
OUTCOMES = {outcome.name.lower(): outcome for outcome in Outcome}

_STALLED_AFTER = timedelta(seconds=10)  # without a heartbeat of its worker; a little later it is rescued
SECONDS = 0.075  # that an answer may take where nobody says otherwise: a person waits for it
_PATIENCE = 2.0  # seconds for a window at least: a server that comes back to its senses gets it done
_FIRST_WINDOW, _LARGEST_WINDOW = 2_000, 50_000
_LAST_ID = uuid.UUID(int=2**128 - 1)


class Filter(BaseModel):
    """Which jobs; all that is given must be true of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State | None = Field(
        None,
        description="Its state; or `scheduled` (queued for later), `retrying` (queued after a failure),"
        " `cancelling`, `pausing` (running, about to be), `stalled` (running, its worker is silent).",
    )
    actor: Word | None = None
    queue: Word | None = None
    owner: Word | None = None
    among_actors: tuple[Word, ...] | None = Field(None, max_length=100, description="Its actor is one of these.")
    among_queues: tuple[Word, ...] | None = Field(None, max_length=100, description="Its queue is one of these.")
    tags: tuple[Word, ...] = Field((), max_length=20, description="It has all of these.")
    parent_id: uuid.UUID | None = Field(None, description="The job that made it.")
    workflow_id: uuid.UUID | None = Field(None, description="The workflow that it is a step of.")
    schedule_id: uuid.UUID | None = Field(None, description="The schedule that it is a run of.")
    worker: uuid.UUID | None = Field(None, description="The worker that runs or ended it.")
    unique_key: Word | None = None
    error_type: Word | None = Field(None, description="The class of its latest error, e.g. `ValueError`.")
    error: Word | None = Field(None, description="Text within its latest error's message, in any case.")
    error_group: Word | None = Field(None, description="Its latest attempt failed with an error of this group.")
    arguments: Word | None = Field(None, description="Text within its arguments as JSON, in any case.")
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    finished_after: AwareDatetime | None = None
    finished_before: AwareDatetime | None = None

    @property
    def has_text(self) -> bool:
        """Whether it asks for what no index knows."""
        return self.error is not None or self.arguments is not None


class Position(NamedTuple):
    """Where a page ends: the time that the jobs are sorted by, and the id, of the last one."""

    at: datetime
    id: uuid.UUID


@dataclass(frozen=True)
class Page:
    """Jobs, newest first. `next` is None on the last page. `searched_back_to` is set where the time was over before the
    page was full: nothing older has been looked at, and `next` goes on from there."""

    jobs: list[Job]
    next: Position | None
    searched_back_to: datetime | None = None


@dataclass(frozen=True)
class Count:
    """How many jobs there are; if not `is_exact`, at least so many."""

    jobs: int
    is_exact: bool

    def __str__(self) -> str:
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs:,} jobs"
        return jobs if self.is_exact else f"at least {jobs}"


async def page(
    session: AsyncSession,
    only: Filter,
    *,
    limit: int,
    before: Position | None = None,
    seconds: float = SECONDS,
) -> Page:
    """The newest of these jobs, without what may be large: arguments and result are left behind."""
    deadline = time.monotonic() + seconds
    if not only.has_text:
        found = await _within(session, seconds / 2, _direct(only, before, limit + 1))
        if found is not None:
            return _full(only, found.scalars().all(), limit)
    return await _search(session, only, limit, before, deadline)


async def count(session: AsyncSession, only: Filter, *, most: int = 10_000, seconds: float = SECONDS) -> Count:
    """How many there are, counted up to `most`."""
    deadline = time.monotonic() + seconds
    if not only.has_text:
        some = select(literal(1)).select_from(Job).where(*_conditions(only)).limit(most + 1).subquery()
        counted = await _within(session, seconds / 2, select(func.count()).select_from(some))
        if counted is not None:
            jobs = counted.scalar_one()
            return Count(min(jobs, most), is_exact=jobs <= most)
    number, end = 0, None
    async for window in _windows(session, only, None, deadline, _count_window):
        number, end = number + window.number, window.end
        if number > most:
            return Count(most, is_exact=False)
    return Count(number, is_exact=end is None)


async def ids(
    session: AsyncSession, only: Filter, before: Position, window: int
) -> tuple[list[uuid.UUID], Position | None]:
    """Those of the next `window` jobs, newest first, that fit; and where the window ends, None if it was the last. For
    who goes through all of them and changes them on the way."""
    end = await _end_of_window(session, only, before, window)
    found = await session.scalars(select(Job.id).where(*_conditions(only), _between(only, before, end)))
    return list(found), end


async def now(session: AsyncSession) -> Position:
    """Before this come all jobs that exist."""
    at: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return Position(at, _LAST_ID)


# ---- one answer, in time


async def _within(
    session: AsyncSession, seconds: float, statement: Select[Any] | CompoundSelect[Any]
) -> Result[Any] | None:
    """What the statement finds; None if that takes too long."""
    try:
        async with session.begin_nested():
            await session.execute(text(f"set local statement_timeout = {max(1, int(seconds * 1000))}"))
            found: Result[Any] = await session.execute(statement)
            await session.execute(text("set local statement_timeout to default"))
    except DBAPIError as error:
        if isinstance(cause(error), asyncpg.QueryCanceledError):
            return None
        raise
    return found


def _direct(only: Filter, before: Position | None, limit: int) -> Select[Any]:
    """Where only live jobs are asked for, all of them are looked at, which are as many as the backlog: walking through
    the newest jobs until enough are found, as PostgreSQL might choose to, could mean all that have ended."""
    conditions = [*_conditions(only), *([_before(only, before)] if before else [])]
    if not _is_live(only):
        return _newest(only).where(*conditions).limit(limit)
    live = select(Job.id, Job.created_at).where(*conditions).cte("live").prefix_with("materialized")
    newest = select(live.c.id).order_by(live.c.created_at.desc(), live.c.id.desc()).limit(limit)
    return _newest(only).where(Job.id.in_(newest))


def _full(only: Filter, found: Sequence[Job], limit: int) -> Page:
    """A page of the first `limit`; one more says that there is another page."""
    jobs = list(found[:limit])
    return Page(jobs, position(only, jobs[-1]) if len(found) > limit else None)


# ---- window after window


@dataclass(frozen=True)
class _Window:
    number: int  # of those that fit
    end: Position | None  # where it ends; None: nothing is older
    found: Sequence[uuid.UUID] = ()  # those that fit, newest first, where they are asked for


_Look = Callable[[AsyncSession, Filter, Position | None, int, float], Awaitable[_Window | None]]


async def _search(session: AsyncSession, only: Filter, limit: int, before: Position | None, deadline: float) -> Page:
    found: list[uuid.UUID] = []
    end = before
    async for window in _windows(session, only, before, deadline, _window):
        found, end = [*found, *window.found], window.end
        if len(found) > limit:
            break
    jobs = list(await session.scalars(_newest(only).where(Job.id.in_(found[: limit + 1])))) if found else []
    if len(found) > limit or end is None:
        return _full(only, jobs, limit)
    return Page(jobs, end, end.at)


async def _windows(
    session: AsyncSession, only: Filter, before: Position | None, deadline: float, look: _Look
) -> AsyncIterator[_Window]:
    """Until nothing is older, or the time is over. The first one is small; of each that follows as much is looked at as
    the one before says there is time for. One that takes far longer all the same is given up."""
    size, end = _FIRST_WINDOW, before
    while True:
        began = time.monotonic()
        window = await look(session, only, end, size, max(deadline - began, _PATIENCE))
        if window is None:
            yield _Window(0, end or await now(session))
            return
        yield window
        end, ended = window.end, time.monotonic()
        left = int(size * (deadline - ended) / (ended - began))
        if end is None or left < _FIRST_WINDOW:
            return
        size = min(size * 2, left, _LARGEST_WINDOW)


async def _window(
    session: AsyncSession, only: Filter, before: Position | None, size: int, seconds: float
) -> _Window | None:
    """Those of the next `size` jobs along an index that fit: looked at once each. None if that takes too long."""
    looked = _next(only, before, size)
    found = select(looked.c.id, looked.c.at, literal(False).label("is_end")).where(looked.c.fits)
    last = select(looked.c.id, looked.c.at, literal(True)).order_by(looked.c.at.desc(), looked.c.id.desc())
    both = union_all(found, last.offset(size - 1).limit(1).subquery().select())
    answer = await _within(session, seconds, both)
    if answer is None:
        return None
    rows = answer.all()
    ids = [row.id for row in sorted(rows, key=lambda row: (row.at, row.id), reverse=True) if not row.is_end]
    return _Window(len(ids), next((Position(row.at, row.id) for row in rows if row.is_end), None), ids)


async def _count_window(
    session: AsyncSession, only: Filter, before: Position | None, size: int, seconds: float
) -> _Window | None:
    """The same, and only how many fit."""
    looked = _next(only, before, size)
    last = select(looked.c.id, looked.c.at, literal(0).label("number"))
    end = last.order_by(looked.c.at.desc(), looked.c.id.desc()).offset(size - 1).limit(1).subquery().select()
    fitting = select(null(), null(), func.count()).select_from(looked).where(looked.c.fits)
    answer = await _within(session, seconds, union_all(end, fitting))
    if answer is None:
        return None
    rows = answer.all()
    ends = next((Position(row.at, row.id) for row in rows if row.id is not None), None)
    return _Window(sum(row.number for row in rows), ends)


def _next(only: Filter, before: Position | None, size: int) -> CTE:
    """The next `size` jobs along an index, and whether they fit."""
    along = [*_along(only), *([_before(only, before)] if before else [])]
    key = _key(only)
    fits = and_(True, *_conditions(only)).label("fits")
    newest = select(Job.id, key.label("at"), fits).where(*along).order_by(key.desc(), Job.id.desc()).limit(size)
    return newest.cte("looked").prefix_with("materialized")


async def _end_of_window(session: AsyncSession, only: Filter, before: Position | None, size: int) -> Position | None:
    """The last of the next `size` jobs along an index."""
    key = _key(only)
    along = [*_along(only), *([_before(only, before)] if before else [])]
    statement = select(key, Job.id).where(*along).order_by(key.desc(), Job.id.desc()).offset(size - 1).limit(1)
    row = (await session.execute(statement)).first()
    return None if row is None else Position(*row)


def _between(only: Filter, before: Position, end: Position | None) -> ColumnElement[bool]:
    conditions = [*_along(only), _before(only, before)]
    if end is not None:
        conditions.append(tuple_(_key(only), Job.id) >= tuple_(literal(end.at), literal(end.id)))
    return and_(True, *conditions)


# ---- the conditions


def _newest(only: Filter) -> Select[Job]:
    large = (defer(column, raiseload=True) for column in (Job.args, Job.kwargs, Job.result))
    return select(Job).options(*large).order_by(_key(only).desc(), Job.id.desc())


def _key(only: Filter) -> InstrumentedAttribute[Any]:
    return Job.finished_at if only.state in OUTCOMES else Job.created_at


def position(only: Filter, job: Job) -> Position:
    """Where it stands in a list of these; one that has been queued again since it was found, as any that lives."""
    at = job.finished_at if only.state in OUTCOMES else None
    return Position(at or job.created_at, job.id)


def _before(only: Filter, position: Position) -> ColumnElement[bool]:
    return tuple_(_key(only), Job.id) < tuple_(literal(position.at), literal(position.id))


def _is_live(only: Filter) -> bool:
    return only.state is not None and only.state not in OUTCOMES


def _along(only: Filter) -> list[ColumnElement[bool]]:
    """The conditions along whose index windows are laid: (outcome, finished_at), (actor | owner, created_at), or
    (created_at). No job has ended before it was created, so what bounds the one time from one side bounds the other."""
    if only.state in OUTCOMES:
        first = [time for time in (only.finished_after, only.created_after) if time is not None]
        last = [time for time in (only.finished_before,) if time is not None]
        along = [_ended(only.state)]
    else:
        first = [time for time in (only.created_after,) if time is not None]
        last = [time for time in (only.created_before, only.finished_before) if time is not None]
        along = [Job.actor == only.actor] if only.actor is not None else []
        along += [Job.owner == only.owner] if only.owner is not None and only.actor is None else []
    key = _key(only)
    return [*along, *([key >= max(first)] if first else []), *([key < min(last)] if last else [])]


def _times(only: Filter) -> list[ColumnElement[bool]]:
    times = {
        Job.created_at: (only.created_after, only.created_before),
        Job.finished_at: (only.finished_after, only.finished_before),
    }
    conditions: list[ColumnElement[bool]] = []
    for column, (after, until) in times.items():
        if after is not None:
            conditions.append(column >= after)
        if until is not None:
            conditions.append(column < until)
    return conditions


def _conditions(only: Filter) -> list[ColumnElement[bool]]:
    conditions = _times(only)
    for column, value in (
        (Job.actor, only.actor), (Job.queue, only.queue), (Job.owner, only.owner), (Job.parent_id, only.parent_id),
        (Job.worker, only.worker), (Job.unique_key, only.unique_key), (Job.workflow_id, only.workflow_id),
    ):  # fmt: skip
        if value is not None:
            conditions.append(column == value)
    for column, among in ((Job.actor, only.among_actors), (Job.queue, only.among_queues)):
        if among is not None:
            conditions.append(column.in_(among))
    if only.state is not None:
        conditions += _of_state(only.state)
    if only.tags:
        conditions.append(Job.tags.contains(list(only.tags)))
    return [
        *conditions,
        *_of_error(only),
        *([_has_argument(only.arguments)] if only.arguments else []),
        *([_is_run_of(only.schedule_id)] if only.schedule_id else []),
    ]


def _is_run_of(schedule: uuid.UUID) -> ColumnElement[bool]:
    runs = select(ScheduledJobExecution.job_id).where(ScheduledJobExecution.schedule_id == schedule)
    return Job.id.in_(runs.where(ScheduledJobExecution.job_id.is_not(None)))


def _of_error(only: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if only.error_type is not None:
        conditions.append(literal_column("jobs.error->>'type'", Text) == only.error_type)  # as the index has it
    if only.error is not None:
        conditions.append(Job.error["message"].as_string().icontains(only.error, autoescape=True))
    if only.error_group is not None:
        latest = and_(JobAttempt.job_id == Job.id, JobAttempt.attempt == Job.attempt)
        conditions.append(exists().where(latest, JobAttempt.fingerprint == only.error_group))
    return conditions


def _has_argument(words: str) -> ColumnElement[bool]:
    """As people write it, or as it is within a JSON text."""
    written = {words, orjson.dumps(words).decode()[1:-1]}
    return or_(
        *(cast(column, Text).icontains(word, autoescape=True) for column in (Job.args, Job.kwargs) for word in written)
    )


def _ended(state: str) -> ColumnElement[bool]:
    """Written into the statement: as a parameter PostgreSQL could not see that an index on failed jobs holds them."""
    return Job.outcome == literal(int(OUTCOMES[state]), literal_execute=True)


def _of_state(state: State) -> list[ColumnElement[bool]]:
    if state in OUTCOMES:
        return [_ended(state)]
    is_live = Job.outcome.is_(None)
    lives = select(Worker.id).where(Worker.heartbeat_at > func.now() - _STALLED_AFTER)
    derived: dict[str, list[ColumnElement[bool]]] = {
        "scheduled": [Job.state == "queued", Job.attempt == Job.releases, Job.run_at > func.now()],
        "retrying": [Job.state == "queued", Job.attempt > Job.releases],
        "cancelling": [Job.control == "cancel"],
        "pausing": [Job.control == "pause"],
        "stalled": [Job.state == "running", Job.worker.not_in(lives)],
    }
    return [is_live, *derived.get(state, [Job.state == state])]
