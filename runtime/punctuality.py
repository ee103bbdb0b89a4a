"""Runs that periodiq has planned, as their messages arrive: into the history, late ones by their actor's policy.

A message that found no worker waits in Redis. Where it comes later than its actor's `misfire_grace`, its `misfire` says
what becomes of it:

    skip       it is not run
    run_once   the latest of those that are late is run, and stands for the others
    catch_up   each of them is run

Each leaves a row in the history, with the reason if it was not run. Retries are no messages of the clock's: they are
run whenever they are due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from db import schedules
from db.database import Database
from runtime.delivery import Delivery, planned_minute
from runtime.ids import uuid7
from runtime.patience import patiently
from runtime.periodic import MISFIRE_GRACE, schedule_id_of

if TYPE_CHECKING:
    from runtime.broker import Broker


@dataclass
class _Planned:
    """A message of the clock's."""

    delivery: Delivery
    at: int  # seconds since 1970
    late: float = 0.0  # seconds
    overtaken: bool = False
    reason: str | None = None  # why it is not run


class Punctuality:
    """Lives on the worker's event loop."""

    def __init__(self, broker: "Broker", database: Database) -> None:
        self._broker, self._database = broker, database

    async def judge(self, deliveries: Sequence[Delivery]) -> tuple[list[Delivery], list[_Planned]]:
        """Those of the deliveries that are not to be run, and all that the clock has planned, for `record`."""
        planned = [
            _Planned(delivery, minute * 60)
            for delivery in deliveries
            if (minute := planned_minute(delivery)) is not None
        ]
        if planned:
            await patiently("looking how late periodic runs are", partial(self._measure, planned))
        for run in planned:
            run.reason = self._why_not(run, planned)
        return [run.delivery for run in planned if run.reason], planned

    async def record(self, planned: list[_Planned]) -> None:
        """Write them into the history; once for each planned time, whoever was first."""
        if planned:
            await patiently("recording periodic runs", partial(self._write, planned))

    async def _measure(self, planned: list[_Planned]) -> None:
        names = [schedule_id_of(run.delivery.actor_name) for run in planned]
        async with self._database.connection() as connection:
            found = await connection.fetch(schedules.LATENESS, names, [float(run.at) for run in planned])
        for run, row in zip(planned, found, strict=True):
            run.late, run.overtaken = row["late"], row["overtaken"]

    def _why_not(self, run: _Planned, planned: list[_Planned]) -> str | None:
        actor = self._broker.actors.get(run.delivery.actor_name)
        options = actor.options if actor else {}
        policy = options.get("misfire", "run_once")
        if policy == "catch_up" or run.late <= options.get("misfire_grace", MISFIRE_GRACE):
            return None
        late = f"misfired: {run.late:.0f} s late, no worker took it in time"
        if policy == "skip":
            return late
        latest = max(other.at for other in planned if other.delivery.actor_name == run.delivery.actor_name)
        return f"{late}; a later run stands for it" if run.overtaken or run.at < latest else None

    async def _write(self, planned: list[_Planned]) -> None:
        rows = [
            (
                uuid7(), schedule_id_of(run.delivery.actor_name), run.delivery.actor_name, float(run.at),
                "skipped" if run.reason else "fired", run.reason, None if run.reason else run.delivery.job_id,
            )
            for run in planned
        ]  # fmt: skip
        async with self._database.connection() as connection:
            await connection.execute(schedules.RECORD_PERIODIC, *map(list, zip(*rows, strict=True)))
