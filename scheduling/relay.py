"""Sends due jobs to Redis: the most urgent first, as far as there is room, oldest first within a priority.

Several relays are harmless: each takes other rows, and a message sent twice is one entry in Redis.
"""

from collections import defaultdict

from redis.exceptions import RedisError

from db import jobs
from db.database import Database
from runtime.outbox import Outbox
from runtime.patience import patiently
from runtime.transport import MOST, Envelope, sealed

_POLL = 1.0  # seconds: it looks by itself if nobody tells it
_BUSY = 0.005  # a queue that is full now has room again this soon at full speed
_FULL = 0.025  # and is looked at this often when nobody seems to take from it


class Relay:
    def __init__(self, database: Database, outbox: Outbox, window: int) -> None:
        self._database, self._outbox, self._window = database, outbox, window

    async def run_once(self) -> float:
        """Send what is due and has room. Returns the seconds after which there may be something to do again."""
        async with self._database.connection() as connection:
            levels = await connection.fetch(jobs.LEVELS)
        due: defaultdict[str, list[int]] = defaultdict(list)
        wait = _POLL
        for queue, priority, due_in, is_paused in levels:
            if due_in is None or is_paused:
                continue
            if due_in <= 0:
                due[queue].append(priority)
            else:
                wait = min(wait, due_in)
        for queue, priorities in due.items():
            wait = min(wait, await self._fill(queue, priorities))
        return wait

    async def _fill(self, queue: str, priorities: list[int]) -> float:
        """Send a queue's due jobs until its window is full; an urgent one enters a full window, within bounds."""
        length, least_urgent = await self._outbox.depth(queue)
        if length > self._window // 2 and priorities[0] >= least_urgent:
            return _FULL  # there is plenty: a few large refills cost less than many small ones
        sent = 0
        for priority in priorities:
            limit = self._window * 2 if priority < least_urgent else self._window
            room = limit - length
            if room <= 0:
                return _BUSY if sent else _FULL
            envelopes = await self._dispatch(queue, priority, room)
            sent += len(envelopes)
            length += len(envelopes)
            if len(envelopes) == room:
                return _BUSY
        return _BUSY if sent else _POLL

    async def _dispatch(self, queue: str, priority: int, most: int) -> list[Envelope]:
        """Mark jobs as dispatched, then send them; if that fails, mark them back."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(jobs.DISPATCH, queue, priority, most)
        rows.sort(key=lambda row: row["run_at"])
        envelopes = [sealed(row) for row in rows]
        try:
            for start in range(0, len(envelopes), MOST):
                await self._outbox.push(queue, envelopes[start : start + MOST])
        except RedisError:
            await patiently("marking jobs as not sent", lambda: self._undispatch(envelopes))
            raise
        return envelopes

    async def _undispatch(self, envelopes: list[Envelope]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(jobs.UNDISPATCH, [e.job_id for e in envelopes], [e.attempt for e in envelopes])
