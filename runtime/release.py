"""Makes the jobs of workflow steps whose turn has come, in the transaction that found so."""

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from db import workflow_jobs, workflow_steps
from runtime import payload
from runtime.ids import uuid7
from runtime.outbox import Outbox, Posted
from runtime.plan import CHUNK
from runtime.transport import WAKE, Notice, seal


@dataclass(frozen=True)
class Ended:
    """A step that ends without a job's doing."""

    id: uuid.UUID
    state: str
    result: str | None = None  # JSON
    error: tuple[str, str] | None = None  # type, message


@dataclass(frozen=True)
class _Job:
    call: dict[str, Any]
    args: str  # JSON
    kwargs: str
    step: asyncpg.Record
    item: int


class Release:
    """Belongs to one transaction. The rows are gathered and written together by `write`."""

    def __init__(self, connection: asyncpg.Connection, outbox: Outbox | None) -> None:
        self._connection, self._outbox = connection, outbox
        self._jobs: list[_Job] = []
        self._released: Counter[uuid.UUID] = Counter()
        self.envelopes: list[Posted] = []  # to be sent after the commit

    async def begin(self, ready: Sequence[asyncpg.Record]) -> list[Ended]:
        """Begin these steps. Returns those that have ended by that."""
        passed = await self._passed(ready)
        ended: list[Ended] = []
        totals: dict[uuid.UUID, int] = {}
        for step in ready:
            results = passed.get(step["id"], [])
            if step["kind"] == "map" and step["spreads"]:
                spread = await self._spread(step, results)
                if isinstance(spread, Ended):
                    ended.append(spread)
                    continue
                totals[step["id"]] = spread
            elif step["kind"] in ("sleep", "event"):
                totals[step["id"]] = 0
            elif step["kind"] != "join":
                totals[step["id"]] = step["total"]
            else:
                totals[step["id"]] = 0
                ended.append(_joined(step["id"], results))
        begun = await self._connection.fetch(workflow_steps.BEGIN, list(totals), list(totals.values()))
        for step in begun:
            end = await self._start(step, passed.get(step["id"], []))
            if end is not None:
                ended.append(end)
        return ended + await self._already_said([step for step in begun if step["kind"] == "event"])

    async def more(self, step: asyncpg.Record) -> Ended | None:
        """Make as many jobs of a group or a map as there is room for among those that run."""
        made = step["released"] + self._released[step["id"]]
        number = min(step["total"] - made, step["max_parallel"] - (made - step["ended"]))
        if number <= 0:
            return None
        results: list[str | None] = []
        if step["kind"] == "group" and step["takes_result"]:
            results = (await self._passed([step])).get(step["id"], [])
        return await self._fan(step, made, number, results)

    def drop(self, workflow: uuid.UUID) -> None:
        """Jobs of a workflow that stops are not made after all."""
        self._keep(lambda job: job.step["workflow_id"] != workflow)

    def _keep(self, is_kept: Callable[[_Job], bool]) -> None:
        self._jobs = [job for job in self._jobs if is_kept(job)]
        self._released = Counter(job.step["id"] for job in self._jobs)

    async def write(self, owners: dict[uuid.UUID, str | None]) -> None:
        """Write the jobs. `owners` are those of their workflows."""
        if not self._jobs:
            return
        now, rows = int(time.time() * 1000), []
        places = [(job.call["queue"], job.call["priority"]) for job in self._jobs if not job.call["delay"]]
        room = {at: self._outbox.admit(*at, count) for at, count in Counter(places).items()} if self._outbox else {}
        for job in self._jobs:
            call, job_id = job.call, uuid7()
            options = orjson.dumps(call["options"]).decode() if call["options"] else None
            at = (call["queue"], call["priority"])
            is_sent = not call["delay"] and room.get(at, 0) > 0
            if is_sent:
                room[at] -= 1
                self.envelopes.append(seal(
                    job_id=job_id, actor=call["actor"], queue=call["queue"], args=job.args, kwargs=job.kwargs,
                    options=options, priority=call["priority"], attempt=0, created_ms=now,
                ))  # fmt: skip
            rows.append((
                job_id, call["actor"], call["queue"], job.args, job.kwargs, options, call["priority"],
                call["max_attempts"], call["delay"], call["expires"], is_sent, owners[job.step["workflow_id"]],
                job.step["workflow_id"], job.step["run"], job.item,
            ))  # fmt: skip
        if len(self.envelopes) < len(rows):
            self.envelopes.append(Notice(WAKE, "enqueued"))
        await self._connection.execute(workflow_jobs.INSERT_JOBS, *map(list, zip(*rows, strict=True)))
        await self._connection.execute(workflow_steps.RELEASED, list(self._released), list(self._released.values()))

    async def _start(self, step: asyncpg.Record, results: list[str | None]) -> Ended | None:
        """The first jobs of a step that has begun."""
        if step["kind"] == "job":
            args = _arguments(_given(results) if step["takes_result"] else [], step["args"])
            return self._add(step, orjson.loads(step["calls"])[0], args, step["kwargs"], 0)
        if step["kind"] in ("group", "map"):
            if step["total"] == 0:
                return Ended(step["id"], "succeeded", "[]")
            return await self._fan(step, 0, min(step["total"], step["max_parallel"]), results)
        return None

    async def _fan(self, step: asyncpg.Record, first: int, number: int, results: list[str | None]) -> Ended | None:
        """Jobs for so many items of a step, from that one on."""
        calls = orjson.loads(step["calls"])
        given = _given(results)
        chunks = range(first // CHUNK, (first + number - 1) // CHUNK + 1)
        rows = await self._connection.fetch(workflow_steps.ITEMS, step["id"], chunks[0], chunks[-1])
        items = [item for row in rows for item in orjson.loads(row["items"])]
        start = first - chunks[0] * CHUNK
        for place, item in enumerate(items[start : start + number], first):
            if step["kind"] == "map":
                call, kwargs = calls[0], step["kwargs"]
                args = _arguments([orjson.dumps(item).decode()], step["args"])
            else:
                call, kwargs = calls[item[0]], orjson.dumps(item[2]).decode()
                args = _arguments(given if call["takes_result"] else [], orjson.dumps(item[1]).decode())
            ended = self._add(step, call, args, kwargs, place)
            if ended is not None:
                self._keep(lambda job: job.step["id"] != step["id"])
                return ended
        return None

    def _add(self, step: asyncpg.Record, call: dict[str, Any], args: str, kwargs: str, item: int) -> Ended | None:
        size = len(args.encode()) + len(kwargs.encode())
        if size > payload.LIMIT:
            return Ended(step["id"], "failed", error=("TooLarge", (
                f"What {call['actor']} is given is {size:,} bytes of JSON; the limit is {payload.LIMIT:,}. "
                "Store the data elsewhere and return a reference to it, or make the step immutable (si)."
            )))  # fmt: skip
        self._jobs.append(_Job(call, args, kwargs, step, item))
        self._released[step["id"]] += 1
        return None

    async def _passed(self, steps: Sequence[asyncpg.Record]) -> dict[uuid.UUID, list[str | None]]:
        """What those of these steps that take results are given, as JSON, in order."""
        takers = [step["id"] for step in steps if step["takes_result"] or step["kind"] == "join"]
        passed: defaultdict[uuid.UUID, list[str | None]] = defaultdict(list)
        if takers:
            for row in await self._connection.fetch(workflow_steps.PASSED, takers):
                passed[row["to_id"]].append(row["result"])
        return passed

    async def _spread(self, step: asyncpg.Record, results: list[str | None]) -> int | Ended:
        """Keep the items that the predecessor returned. Returns how many."""
        (given,) = _given(results) or ["null"]
        items = orjson.loads(given)
        if not isinstance(items, list):
            kind = type(items).__name__
            return Ended(step["id"], "failed", error=(
                "NotAList", f"Its items are what its predecessor returns, and that is no list but a {kind}.",
            ))  # fmt: skip
        parts = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        texts = [orjson.dumps(part).decode() for part in parts]
        await self._connection.execute(workflow_steps.INSERT_ITEMS, step["id"], list(range(len(texts))), texts)
        return len(items)

    async def _already_said(self, waits: list[asyncpg.Record]) -> list[Ended]:
        """Waits for events that came before."""
        if not waits:
            return []
        found = await self._connection.fetch(workflow_steps.EVENTS, [step["workflow_id"] for step in waits])
        said = {(row["workflow_id"], row["name"]): row["payload"] for row in found}
        return [
            Ended(step["id"], "succeeded", said[step["workflow_id"], step["event"]])
            for step in waits if (step["workflow_id"], step["event"]) in said
        ]  # fmt: skip


def _joined(step: uuid.UUID, results: list[str | None]) -> Ended:
    """A place where branches meet: its result is the list of theirs."""
    listed = _list(results)
    if len(listed.encode()) > payload.LIMIT:
        return Ended(step, "failed", error=("TooLarge", (
            f"The results together are {len(listed.encode()):,} bytes of JSON; the limit is {payload.LIMIT:,}. "
            "Store the data elsewhere and return references to it."
        )))  # fmt: skip
    return Ended(step, "succeeded", listed)


def _given(results: list[str | None]) -> list[str]:
    """The one argument that results become: the one result, or the list of all; none without predecessors."""
    if not results:
        return []
    return [results[0] or "null"] if len(results) == 1 else [_list(results)]


def _list(results: list[str | None]) -> str:
    return f"[{','.join(result or 'null' for result in results)}]"


def _arguments(first: list[str], own: str) -> str:
    """Arguments as JSON, from JSON."""
    rest = own.strip()[1:-1].strip()
    return f"[{','.join([*first, rest] if rest else first)}]"
