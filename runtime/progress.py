"""Writes how far jobs have come: the latest word of many in one statement, at most twice a second for each."""

import asyncio
import math
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from db import progress
from db.database import Database
from errors import BadArguments, TooLarge
from runtime import payload
from runtime.changes import Changes
from runtime.delivery import Delivery
from runtime.lease import WorkerLease
from runtime.patience import patiently
from runtime.pulse import Pulse

log = structlog.get_logger("callboard")

EVERY = 0.5  # seconds between two writes of a job
_MOST = 1_000  # reports a statement
_LONGEST = 1_000  # characters of a message
_EXTRA = 16 * 1024  # bytes of JSON


@dataclass(frozen=True)
class Report:
    """What a run says of itself."""

    current: float
    total: float | None
    message: str | None
    extra: str | None  # JSON


class Progress:
    """Made on the worker's event loop; `report` may be called from any thread."""

    def __init__(self, database: Database, lease: WorkerLease, changes: Changes) -> None:
        self._database, self._lease, self._changes = database, lease, changes
        self._unwritten: dict[Delivery, Report] = {}
        self._lock = threading.Lock()
        self._writing = asyncio.Lock()  # an older word must not overtake a newer one
        self.pulse = Pulse(self._flush, EVERY)

    def report(self, delivery: Delivery, report: Report) -> None:
        if delivery.progress_began is None:
            delivery.progress_began = (report.current, time.monotonic())
        with self._lock:
            self._unwritten[delivery] = report
        self.pulse.ask()

    async def write_last(self, deliveries: list[Delivery]) -> None:
        """Before their runs end, after which nothing of them would be taken."""
        if any(delivery in self._unwritten for delivery in deliveries):
            await self._write(deliveries)

    async def _flush(self) -> None:
        with self._lock:
            waiting = list(self._unwritten)
        for start in range(0, len(waiting), _MOST):
            await self._write(waiting[start : start + _MOST])

    async def _write(self, deliveries: list[Delivery]) -> None:
        async with self._writing:
            reports = {d: report for d in deliveries if (report := self._unwritten.get(d)) is not None}
            if not reports:
                return
            try:
                written = await patiently("writing progress", lambda: self._execute(reports))
            except Exception:
                log.exception("progress could not be written", count=len(reports))
                written = []
            with self._lock:
                for delivery, report in reports.items():
                    if self._unwritten[delivery] is report:  # else it has said more meanwhile
                        del self._unwritten[delivery]
        self._changes.tell(written)

    async def _execute(self, reports: dict[Delivery, Report]) -> list[uuid.UUID]:
        """Returns the jobs whose runs still count."""
        now, began = time.monotonic(), [delivery.progress_began or (0.0, 0.0) for delivery in reports]
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                progress.WRITE,
                [delivery.job_id for delivery in reports],
                [delivery.attempt for delivery in reports],
                [report.current for report in reports.values()],
                [report.total for report in reports.values()],
                [report.message for report in reports.values()],
                [report.extra for report in reports.values()],
                [current for current, _ in began],
                [now - at for _, at in began],
                self._lease.worker,
            )
        return [row[0] for row in rows]


def read_report(current: float, total: float | None, message: str | None, extra: dict[str, Any]) -> Report:
    """What an actor says, checked. Raises BadArguments or TooLarge."""
    _check_number(current, "current")
    if total is not None:
        _check_number(total, "total")
    if message is not None:
        if not isinstance(message, str):
            raise BadArguments(f"message is a {type(message).__name__}. Pass text.", "message")
        payload.check(message, "message")
        message = message[:_LONGEST]
    return Report(float(current), None if total is None else float(total), message, _encode(extra) if extra else None)


def _check_number(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise BadArguments(f"{name} is {value!r}. Pass a number from 0 on.", name)
    if value >= 2**63:
        raise BadArguments(f"{name} has more than 63 bits. Count in larger units.", name)


def _encode(extra: dict[str, Any]) -> str:
    for name, value in extra.items():
        payload.check(value, name)
    text = payload.encode(extra)
    if len(text) > _EXTRA:
        raise TooLarge("The extra values of progress", len(text), _EXTRA)
    return text
