"""Keeps what jobs log: many lines in one statement, behind the jobs' backs.

Whoever logs puts a line into a buffer and goes on; nobody waits for the database. The buffer is bounded, and so is what
is kept of each run: where lines had to go a line says so.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from typing import NamedTuple

import structlog

from db import logs
from db.database import Database
from runtime.changes import Changes
from runtime.delivery import Delivery
from runtime.logbook import LogBook
from runtime.patience import patiently
from runtime.pulse import Pulse
from settings import Settings

log = structlog.get_logger("callboard")

EVERY = 0.2  # seconds between two writes: what kill -9 can cost
_MOST = 1_000  # lines a statement
_ROOM = 16 * 2**20  # bytes that wait to be written
_OVERHEAD = 400  # bytes of a line besides its text


class Line(NamedTuple):
    delivery: Delivery
    number: int
    level: int
    at: float  # on time.monotonic()'s clock
    message: str
    fields: str | None  # JSON
    size: int


class JobLogs:
    """Made on the worker's event loop; `add` may be called from any thread."""

    def __init__(self, settings: Settings, database: Database, changes: Changes) -> None:
        self._most_lines, self._most_bytes = settings.job_log_lines, settings.job_log_kib * 1024
        self._database, self._changes = database, changes
        self._buffer: deque[Line] = deque()
        self._held = 0  # bytes, those on their way included
        self._losers: set[Delivery] = set()  # whose lines found no room
        self._lock = threading.Lock()
        self._writing = asyncio.Lock()
        self.pulse = Pulse(self._flush, EVERY)

    def add(self, delivery: Delivery, level: int, message: str, fields: str | None) -> None:
        with self._lock:
            book = delivery.log = delivery.log or LogBook()
            if book.is_full:
                return
            size = _size(message) + _size(fields or "")
            if self._held + size > _ROOM:
                book.lost += 1
                self._losers.add(delivery)
            elif book.lines + 1 >= self._most_lines or book.size + size > self._most_bytes:
                book.is_full = True
                self._append(delivery, book, logging.WARNING, self._full(), None, 0)
            else:
                self._append(delivery, book, level, message, fields, size)
        self.pulse.ask()

    async def write_last(self, deliveries: list[Delivery]) -> None:
        """Before their runs end, so that who sees the end has all lines."""
        if self._held and any(delivery.log and delivery.log.unwritten for delivery in deliveries):
            await self._flush()

    def _append(
        self, delivery: Delivery, book: LogBook, level: int, message: str, fields: str | None, size: int
    ) -> None:
        book.lines += 1
        book.size += size
        book.unwritten += 1
        self._held += size + _OVERHEAD
        self._buffer.append(Line(delivery, book.lines, level, time.monotonic(), message, fields, size))

    def _full(self) -> str:
        return (
            f"This run's log is full, and nothing after this line is kept: {self._most_lines:,} lines or "
            f"{self._most_bytes // 1024:,} KiB (JOB_LOG_LINES, JOB_LOG_KIB)."
        )

    async def _flush(self) -> None:
        async with self._writing:
            while lines := self._first():
                await self._write(lines)
                self._written(lines)

    def _first(self) -> list[Line]:
        """The next lines to write; they stay in the count of what is held until they are written."""
        with self._lock:
            for delivery in list(self._losers) if not self._buffer else ():
                self._losers.discard(delivery)
                if (book := delivery.log) is not None:
                    message = f"{book.lost:,} lines are lost: the worker could not write for too long."
                    book.lost = 0
                    self._append(delivery, book, logging.WARNING, message, None, len(message))
            return [self._buffer.popleft() for _ in range(min(_MOST, len(self._buffer)))]

    def _written(self, lines: list[Line]) -> None:
        with self._lock:
            for line in lines:
                self._held -= line.size + _OVERHEAD
                if line.delivery.log is not None:
                    line.delivery.log.unwritten -= 1
        self._changes.tell({line.delivery.job_id for line in lines})

    async def _write(self, lines: list[Line]) -> None:
        try:
            await patiently("writing the jobs' logs", lambda: self._execute(lines))
        except Exception:
            # A line that cannot be written must not take its neighbours along.
            if len(lines) > 1:
                for line in lines:
                    await self._write([line])
            else:
                log.exception("a line of a job's log could not be written", job=str(lines[0].delivery))

    async def _execute(self, lines: list[Line]) -> None:
        now = time.monotonic()
        again = {line.delivery for line in lines if line.number == 1 and line.delivery.attempt > 1}
        async with self._database.connection() as connection:
            await connection.execute(
                logs.WRITE,
                [line.delivery.job_id for line in lines],
                [line.delivery.attempt for line in lines],
                [line.number for line in lines],
                [line.level for line in lines],
                [now - line.at for line in lines],
                [line.message for line in lines],
                [line.fields for line in lines],
            )
            if again:
                runs = [d.job_id for d in again], [d.attempt for d in again]
                await connection.execute(logs.TRIM, *runs, self._most_lines, self._most_bytes)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
