"""Fires schedules: makes the jobs of those that are due.

Only the leader does, and the database has the last word: who fires holds the schedules' rows and names its term, and a
run of a schedule at a planned time exists once. So two who both believe to lead make no run twice, and one that dies
half-way has made nothing: executions, jobs and the next times are one transaction.

A tick costs one look into an index, however many schedules there are; it sleeps until the next one is due, is woken
when one is changed, and looks every five seconds by itself.
"""

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
import structlog
from dramatiq import Actor
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from db import schedules
from errors import BadRequest
from runtime import enqueue, verbs
from runtime.broker import Broker
from runtime.client import Client
from runtime.enqueue import Call
from runtime.ids import uuid7
from runtime.options import Options
from runtime.transport import CHANGED, Notice
from runtime.triggers import Trigger, build, zone_of
from runtime.verbs import Verb
from scheduling.leader import Leader
from scheduling.plan import Decision, Rules, decide, due_times
from services.schedules.spec import arguments
from services.schedules.store import tell

log = structlog.get_logger("callboard")

_POLL = 5.0  # seconds
_STANDBY = 0.25  # seconds until one that does not lead looks whether it does
_HELD = 0.02  # seconds until one that is due, and held by somebody else, is looked at again
_WAITING = 0.25  # seconds until it looks again whether a run that waits for another's end can be made
_AT_ONCE = 250  # schedules a transaction: a thousand that are due together are four
_PARKED = 10.0  # seconds after which one that cannot be run as it is is tried again


@dataclass
class _Batch:
    """What one transaction is about to write."""

    executions: list[tuple[Any, ...]] = field(default_factory=list)
    jobs: dict[uuid.UUID, tuple[Call, Options]] = field(default_factory=dict)  # by execution
    advanced: list[tuple[Any, ...]] = field(default_factory=list)
    parked: list[tuple[uuid.UUID, str]] = field(default_factory=list)
    cancelled: list[uuid.UUID] = field(default_factory=list)  # schedules whose live jobs give way


class Firing:
    def __init__(self, client: Client, broker: Broker, leader: Leader, due: asyncio.Event) -> None:
        self._client, self._broker, self._leader = client, broker, leader
        self._due = due  # wakes the relay of this process

    async def run_once(self) -> float:
        """Fire what is due. Returns the seconds until the next is."""
        if not self._leader.leads:
            return _STANDBY
        fired = await self._fire()
        if fired == _AT_ONCE:
            return 0
        async with self._client.database.connection() as connection:
            due_in, waiting = await connection.fetchrow(schedules.NEXT)
        wait = _POLL if due_in is None else min(due_in, _POLL)
        if waiting:
            await self._start_waiting()
            wait = min(wait, _WAITING)
        if wait <= 0 and not fired:  # somebody is changing it, or fires it
            return _HELD
        return max(0.0, wait)

    async def _fire(self) -> int:
        async with self._client.session() as session:
            connection = await session.connection()
            rows = await _fetch(connection, schedules.DUE, self._leader.holder, self._leader.term, _AT_ONCE)
            if not rows:
                return 0
            batch = _Batch()
            for row in rows:
                self._plan(row, batch)
            await self._write(session, connection, batch)
            tell(session, Notice(CHANGED, "schedules"))
            await session.commit()
        for schedule, problem in batch.parked:
            log.warning("a schedule cannot be run as it is", schedule=str(schedule), problem=problem)
        self._due.set()
        return len(rows)

    def _plan(self, row: RowMapping, batch: _Batch) -> None:
        """Decide for one schedule. What is wrong with it is its own problem, not the others'."""
        try:
            call = self._call(row)
            due = due_times(_trigger_of(row), row["next_run_at"], row["now"], row["end_at"])
        except BadRequest as error:
            batch.parked.append((row["id"], str(error)))
            return
        rules = Rules(
            misfire=row["misfire"], misfire_max=row["misfire_max"], misfire_grace=row["misfire_grace"],
            overlap=row["overlap"], shadow=row["shadow"],
            left=None if row["repeat"] is None else max(0, row["repeat"] - row["runs"]),
        )  # fmt: skip
        decisions = decide(due.times, row["now"], rules, running=row["running"], waiting=row["waiting"])
        if due.forgotten:
            decisions.insert(0, due.forgotten)
        for decision in decisions:
            execution = uuid7()
            batch.executions.append(_execution(execution, row, decision))
            if decision.fate == "run":
                batch.jobs[execution] = call, _options(row)
        made = [decision.planned_at for decision in decisions if decision.fate != "skipped"]
        if row["overlap"] == "cancel_previous" and row["running"] and made:
            batch.cancelled.append(row["id"])
        following = None if rules.left is not None and len(made) >= rules.left else due.following
        batch.advanced.append((row["id"], row["next_run_at"], following, len(made), made[-1] if made else None))

    def _call(self, row: RowMapping) -> Call:
        """Raises BadRequest: an actor that only newer code has, arguments that it does not take any more."""
        actor: Actor[Any, Any] | None = self._broker.actors.get(row["task_function"])
        if actor is None:
            raise BadRequest(
                f"This scheduler knows no actor {row['task_function']!r}. Deploy the code that has it here too, "
                "or start it with its module: python -m scheduling MODULE."
            )
        if row["queue"] is not None and row["queue"] not in self._broker.queues:
            raise BadRequest(f"This scheduler knows no queue {row['queue']!r}. Deploy the code that declares it.")
        args, kwargs = arguments(orjson.loads(row["task_args"]))
        self._broker.limits.check(actor, args, kwargs)
        return enqueue.bind(actor, args, kwargs)

    async def _write(self, session: AsyncSession, connection: AsyncConnection, batch: _Batch) -> None:
        if batch.cancelled:
            live = await _fetch(connection, schedules.LIVE_JOBS, batch.cancelled)
            jobs = [row["job_id"] for row in live]
            await verbs.do(session, Verb.CANCEL, jobs, who="its schedule", reason="the next run is due")
        if batch.executions:
            recorded = {row["id"] for row in await _fetch(connection, schedules.RECORD, *_columns(batch.executions))}
            await self._enqueue(
                session, connection, {each: job for each, job in batch.jobs.items() if each in recorded}
            )
        if batch.advanced:
            await connection.exec_driver_sql(schedules.ADVANCE, _columns(batch.advanced))
        if batch.parked:
            await connection.exec_driver_sql(schedules.PARK, (*_columns(batch.parked), _PARKED))

    async def _enqueue(
        self, session: AsyncSession, connection: AsyncConnection, wanted: dict[uuid.UUID, tuple[Call, Options]]
    ) -> None:
        """Make the jobs of these executions."""
        if wanted:
            jobs = await enqueue.enqueue_each(session, list(wanted.values()))
            await connection.exec_driver_sql(schedules.LINK, (list(wanted), jobs))

    async def _start_waiting(self) -> None:
        """Make the runs that waited for the end of the one before."""
        async with self._client.session() as session:
            connection = await session.connection()
            rows = await _fetch(connection, schedules.READY, self._leader.holder, self._leader.term, _AT_ONCE)
            wanted: dict[uuid.UUID, tuple[Call, Options]] = {}
            for row in rows:
                try:
                    wanted[row["id"]] = self._call(row), _options(row)
                except BadRequest as error:
                    await connection.exec_driver_sql(schedules.SKIP, (row["id"], str(error)))
            await self._enqueue(session, connection, wanted)
            await session.commit()


async def _fetch(connection: AsyncConnection, statement: str, *values: Any) -> Sequence[RowMapping]:
    return (await connection.exec_driver_sql(statement, values)).mappings().all()


def _columns(rows: list[Any]) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


def _execution(execution: uuid.UUID, row: RowMapping, decision: Decision) -> tuple[Any, ...]:
    """A run is recorded as waiting until its job is made, in the same transaction."""
    status = "waiting" if decision.fate in ("run", "wait") else decision.fate
    return (
        execution, row["id"], row["name"], decision.planned_at, decision.planned_until, decision.times, status,
        decision.reason, "schedule",
    )  # fmt: skip


def _options(row: RowMapping) -> Options:
    jitter = row.get("jitter")
    delay = timedelta(seconds=random.uniform(0, jitter)) if jitter else None  # noqa: S311 (spreads load, no secret)
    return Options(queue=row["queue"], priority=row["priority"], owner=row["owner"], delay=delay)


def _trigger_of(row: RowMapping) -> Trigger:
    return _trigger(row["job_type"], row["schedule_config"], row["time_zone"], row["anchor_at"])


@lru_cache(maxsize=20_000)
def _trigger(job_type: str, config: str, time_zone: str, anchor: datetime) -> Trigger:
    return build(job_type, orjson.loads(config), zone_of(time_zone), anchor)
