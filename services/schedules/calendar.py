"""How many runs are planned in each hour of the next seven days.

Intervals and cron expressions are counted by the hour, which takes no time; what is not to be counted so (combinations,
or weeks in which clocks are changed) run by run, up to a cap. A week is kept until a schedule is changed. Should there
be so many schedules that a request has no time for all, it says how far it came, and the next one goes on from there.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappush, heappushpop
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from db import schedule_views
from errors import BadArguments
from runtime.triggers import Trigger, build, zone_of
from runtime.triggers.cron import Cron
from runtime.triggers.simple import Interval
from services.schedules.spec import TICK

HOURS = 168
_PATIENCE = 0.04  # seconds for counting, a request
_MOST = 2_000  # runs of one schedule that are counted one by one
_MOST_OF_A_DAY = 300
_NAMED = 5  # schedules of an hour
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """Runs planned in the hour from `starts_at`, and those schedules that have most of them."""

    starts_at: datetime
    runs: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Week:
    """`capped` are schedules of which only the first runs are counted: there are more of them."""

    hours: tuple[Hour, ...]
    counted: int  # schedules
    schedules: int
    capped: tuple[str, ...] = ()


async def a_day(job_type: str, config: Mapping[str, Any], zone: str, after: datetime) -> float:
    """How many runs there are in the day after a moment; estimated where there are many. Raises BadArguments."""
    return await asyncio.to_thread(_a_day, job_type, config, zone, after)


def _a_day(job_type: str, config: Mapping[str, Any], zone: str, after: datetime) -> float:
    trigger = build(job_type, config, zone_of(zone), after)
    runs, due = 0, trigger.next_after(after)
    while due is not None and due <= after + timedelta(days=1):
        runs += 1
        if runs == _MOST_OF_A_DAY:
            return runs * timedelta(days=1) / (due - after)
        due = trigger.next_after(due)
    return float(runs)


@dataclass(frozen=True)
class _Runs:
    """Of one schedule: how many there are in each hour that has any, by the hour's place."""

    by_hour: tuple[tuple[int, int], ...]
    is_capped: bool = False


_counts: dict[tuple[Any, ...], "_Count"] = {}  # the latest one, by what it is counted of


async def week(session: AsyncSession, now: datetime) -> Week:
    """From the hour that `now` is in."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    connection = await session.connection()
    key = (start, *(await connection.exec_driver_sql(schedule_views.PLANNED_KEY)).one())
    if key not in _counts:
        planned = (await connection.exec_driver_sql(schedule_views.PLANNED)).all()
        _counts.clear()
        _counts[key] = _Count(planned, start)
    return await asyncio.to_thread(_counts[key].go_on)


class _Count:
    """Of a week, schedule after schedule. Each request takes it a while further."""

    def __init__(self, schedules: Sequence[Row[Any]], start: datetime) -> None:
        self._schedules, self._start = schedules, start
        self._counted = 0
        self._totals = [0] * HOURS
        self._most: list[list[tuple[int, str]]] = [[] for _ in range(HOURS)]  # heaps of at most _NAMED
        self._capped: list[str] = []
        self._is_counting = Lock()  # requests are answered by threads

    def go_on(self) -> Week:
        """As far as it has come after a while."""
        with self._is_counting:
            end = time.monotonic() + _PATIENCE
            while self._counted < len(self._schedules) and time.monotonic() < end:
                self._add(self._schedules[self._counted])
                self._counted += 1
            hours = tuple(
                Hour(self._start + index * _HOUR, runs, tuple(name for _, name in sorted(most, reverse=True)))
                for index, (runs, most) in enumerate(zip(self._totals, self._most, strict=True))
            )
            return Week(hours, self._counted, len(self._schedules), tuple(self._capped))

    def _add(self, one: Row[Any]) -> None:
        runs = _runs(
            one.job_type, one.schedule_config, one.time_zone, one.anchor_at, one.begins_at, one.end_at, self._start
        )  # fmt: skip
        for index, number in runs.by_hour:
            self._totals[index] += number
            put = heappush if len(self._most[index]) < _NAMED else heappushpop
            put(self._most[index], (number, one.name))
        if runs.is_capped:
            self._capped.append(one.name)


@lru_cache(maxsize=50_000)
def _runs(
    job_type: str, config: str, zone: str, anchor: datetime, begins_at: datetime | None, end_at: datetime | None,
    start: datetime,
) -> _Runs:  # fmt: skip
    try:
        trigger = build(job_type, orjson.loads(config), _zone(zone), anchor)
    except BadArguments:  # a kind of trigger that this process does not have
        return _Runs(())
    ends_within = end_at is not None and end_at < start + HOURS * _HOUR
    first = start if begins_at is None else max(start, begins_at)
    if isinstance(trigger, Cron | Interval) and not ends_within:
        counts = trigger.by_hour(start, HOURS)
        if counts is not None:
            counts = _from(first, counts, trigger, start)
            return _Runs(tuple((index, number) for index, number in enumerate(counts) if number))
    last = end_at if end_at is not None and ends_within else start + HOURS * _HOUR - TICK
    return _one_by_one(trigger, start, first, last)


def _from(first: datetime, counts: list[int], trigger: Trigger, start: datetime) -> list[int]:
    """Those that are not before `first`, which may be in the middle of an hour."""
    if first == start:
        return counts
    place = (first - start) // _HOUR
    if place >= HOURS:
        return [0] * HOURS
    of_its_hour = _one_by_one(trigger, start, first, start + (place + 1) * _HOUR - TICK)
    return [0] * place + [sum(number for _, number in of_its_hour.by_hour), *counts[place + 1 :]]


def _one_by_one(trigger: Trigger, start: datetime, first: datetime, last: datetime) -> _Runs:
    """From the first one that is not before `first` to the last one that is not after `last`."""
    counts: dict[int, int] = {}
    due = trigger.next_after(first - TICK)
    for _ in range(_MOST):
        if due is None or due > last:
            return _Runs(tuple(counts.items()))
        index = (due - start) // _HOUR
        counts[index] = counts.get(index, 0) + 1
        due = trigger.next_after(due)
    return _Runs(tuple(counts.items()), is_capped=due is not None and due <= last)


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    return zone_of(name)
