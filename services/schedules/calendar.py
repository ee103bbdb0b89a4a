"""How many runs are planned in each hour of the next seven days.

A schedule's runs are counted one by one, which for thousands of schedules takes a while: so what was counted is kept,
and a request counts for a moment only. What it did not get to it names, and the next one goes on from there.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from db.models import ScheduledJob
from errors import BadArguments
from runtime.triggers import build, zone_of

HOURS = 168
_PATIENCE = 0.08  # seconds for counting, a request
_MOST = 700  # runs of one schedule that are looked at one by one; the rest is taken to go on at that rate
_MOST_OF_A_DAY = 300
_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Hour:
    """Runs planned in the hour from `starts_at`, and those schedules that have most of them."""

    starts_at: datetime
    runs: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Week:
    hours: tuple[Hour, ...]
    counted: int  # schedules
    schedules: int


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


async def week(schedules: Sequence[ScheduledJob], now: datetime) -> Week:
    """From the hour that `now` is in."""
    return await asyncio.to_thread(_week, schedules, now.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def _week(schedules: Sequence[ScheduledJob], start: datetime) -> Week:
    end = time.monotonic() + _PATIENCE
    totals = [0] * HOURS
    most: list[list[tuple[int, str]]] = [[] for _ in range(HOURS)]
    counted = 0
    for schedule in schedules:
        if time.monotonic() > end:
            break
        config = orjson.dumps(schedule.schedule_config).decode()
        runs = _runs(schedule.job_type, config, schedule.time_zone, schedule.anchor_at, schedule.end_at, start)
        for index, number in runs:
            totals[index] += number
            most[index].append((number, schedule.name))
        counted += 1
    hours = tuple(
        Hour(start + index * _HOUR, runs, tuple(name for _, name in sorted(most[index], reverse=True)[:5]))
        for index, runs in enumerate(totals)
    )
    return Week(hours, counted, len(schedules))


@lru_cache(maxsize=20_000)
def _runs(
    job_type: str, config: str, zone: str, anchor: datetime, end_at: datetime | None, start: datetime
) -> tuple[tuple[int, int], ...]:
    """Hours, by their place, and the runs of one schedule in them."""
    try:
        trigger = build(job_type, orjson.loads(config), _zone(zone), anchor)
    except BadArguments:  # a kind of trigger that this process does not have
        return ()
    end = min(start + HOURS * _HOUR, end_at + _TICK) if end_at else start + HOURS * _HOUR
    counts: dict[int, int] = {}
    due = trigger.next_after(start - _TICK)
    looked_at = 0
    while due is not None and due < end:
        index = (due - start) // _HOUR
        if looked_at == _MOST:
            return _continued(counts, index, (end - start) // _HOUR)
        counts[index] = counts.get(index, 0) + 1
        looked_at += 1
        due = trigger.next_after(due)
    return tuple(counts.items())


def _continued(counts: dict[int, int], reached: int, end: int) -> tuple[tuple[int, int], ...]:
    """So many runs in a few hours: the hours to come have as many each as those before had."""
    whole = [number for index, number in counts.items() if index < reached] or [sum(counts.values()) * 2]
    rate = round(sum(whole) / len(whole))
    return tuple((index, counts.get(index, 0) if index < reached else rate) for index in range(end))


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    return zone_of(name)
