"""A random play of producers, relays, workers, rescuers and people on a few jobs, and a model that foretells each row.

Messages are delivered late, twice, or long after their run is over; runs are ended by those who no longer own them; in
between workers are buried and leaders lose their terms. After each step the rows must be exactly as the model says.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple, TypeVar

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from db import jobs, leases, workers
from runtime.ids import uuid7

T = TypeVar("T")
number = st.integers(0, 50)  # which of those that there are
HOUR = 3_600.0


class Message(NamedTuple):
    job: uuid.UUID
    attempt: int


class Run(NamedTuple):
    """A claim that was won, by the worker's id at that time."""

    job: uuid.UUID
    attempt: int
    worker: uuid.UUID


@dataclass
class Row:
    """What the model knows of a job."""

    max_attempts: int
    state: str = "queued"
    attempt: int = 0
    releases: int = 0
    worker: uuid.UUID | None = None
    is_dispatched: bool = False
    is_due: bool = True
    result: str | None = None

    def queue(self, *, is_due: bool) -> None:
        self.state, self.worker, self.is_dispatched, self.is_due = "queued", None, False, is_due


STATE = """
select max_attempts, state, attempt, releases, worker, dispatched_at is not null, run_at <= now(), result::text
from jobs where id = $1
"""
QUEUE, PRIORITY, LEASE = "model", 0, 60.0


class Machine(RuleBasedStateMachine):
    """The test sets `runner` and `connection`: it knows where PostgreSQL is."""

    runner: asyncio.Runner
    connection: asyncpg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[uuid.UUID, Row] = {}
        self.messages: list[Message] = []
        self.runs: list[Run] = []
        self.workers = [uuid7(), uuid7()]
        self.leaders = [uuid7(), uuid7()]
        self.leading: tuple[uuid.UUID, int] | None = None  # who holds the lease, and in which term
        self.terms = [0, 0]  # which term each of them believes to lead in
        self.term = 0

    # ---- the ground

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        return list(self.wait(self.connection.fetch(statement, *values)))

    def ids(self, statement: str, *values: Any) -> set[uuid.UUID]:
        return {row[0] for row in self.fetch(statement, *values)}

    def register(self, worker: uuid.UUID) -> None:
        self.fetch(workers.REGISTER, worker, "host", 1, "family", [QUEUE], 1, 1, "0")

    @initialize()
    def begin(self) -> None:
        for table in ("jobs", "workers", "leases"):
            self.fetch(f"delete from {table}")
        for worker in self.workers:
            self.register(worker)

    @invariant()
    def rows_are_as_foretold(self) -> None:
        for job, row in self.rows.items():
            (found,) = self.fetch(STATE, job)
            assert tuple(found) == astuple(row)

    # ---- producers, relays, time

    @precondition(lambda self: len(self.rows) < 3)
    @rule(max_attempts=st.integers(1, 3), is_sent=st.booleans(), is_due=st.booleans())
    def enqueue(self, max_attempts: int, is_sent: bool, is_due: bool) -> None:
        job, is_sent = uuid7(), is_sent and is_due
        columns: list[Any] = [
            job, "actor", QUEUE, "[]", "{}", None, PRIORITY, max_attempts, 0.0 if is_due else HOUR, None, is_sent,
            None, None, None,
        ]  # fmt: skip
        self.fetch(jobs.INSERT, *([column] for column in columns))
        self.rows[job] = Row(max_attempts, is_dispatched=is_sent, is_due=is_due)
        if is_sent:
            self.messages.append(Message(job, 0))

    @rule()
    def relay(self) -> None:
        due = {
            job for job, row in self.rows.items() if row.state == "queued" and row.is_due and not row.is_dispatched
        }
        assert self.ids(jobs.DISPATCH, QUEUE, PRIORITY, 100) == due
        for job in due:
            self.rows[job].is_dispatched = True
            self.messages.append(Message(job, self.rows[job].attempt))

    @rule()
    def an_hour_passes(self) -> None:
        self.fetch("update jobs set run_at = now() where state = 'queued' and run_at > now()")
        for row in self.rows.values():
            row.is_due = True

    @precondition(lambda self: self.messages)
    @rule(which=number)
    def lose_the_message(self, which: int) -> None:
        """The reconciler does not find a message of the past, or of now."""
        message = self.messages[which % len(self.messages)]
        row = self.rows[message.job]
        is_lost = row.state == "queued" and row.attempt == message.attempt and row.is_dispatched
        assert bool(self.ids(jobs.UNDISPATCH, [message.job], [message.attempt])) == is_lost
        if is_lost:
            row.is_dispatched = False

    # ---- workers

    @precondition(lambda self: self.messages)
    @rule(which=number, worker=st.integers(0, 1))
    def claim(self, which: int, worker: int) -> None:
        message, me = self.messages[which % len(self.messages)], self.workers[worker]
        row = self.rows[message.job]
        wins = row.state == "queued" and row.attempt == message.attempt and row.is_due
        won = self.fetch(jobs.CLAIM, [message.job], [message.attempt], me)
        assert bool(won) == wins
        if wins:
            row.state, row.worker, row.attempt = "running", me, row.attempt + 1
            self.runs.append(Run(message.job, row.attempt, me))
        mine = row.state == "running" and row.worker == me and row.attempt == message.attempt + 1
        assert bool(self.fetch(jobs.CLAIMED, [message.job], [message.attempt], me)) == mine

    @precondition(lambda self: self.messages)
    @rule(which=number)
    def claim_without_a_row(self, which: int) -> None:
        """By a worker that was buried and does not know it."""
        message = self.messages[which % len(self.messages)]
        assert not self.fetch(jobs.CLAIM, [message.job], [message.attempt], uuid7())

    @precondition(lambda self: self.messages)
    @rule(which=number)
    def put_off(self, which: int) -> None:
        message = self.messages[which % len(self.messages)]
        row = self.rows[message.job]
        self.fetch(jobs.PUT_OFF, [message.job], [message.attempt], HOUR)
        if row.state == "queued" and row.attempt == message.attempt:
            row.queue(is_due=False)

    def _ended(self, run: Run, worker: uuid.UUID) -> Row | None:
        """The run's row, if it may end it: it is the run of now, and its worker asks."""
        row = self.rows[run.job]
        return row if row.state == "running" and (row.attempt, row.worker) == (run.attempt, worker) else None

    @precondition(lambda self: self.runs)
    @rule(which=number, other=st.booleans(), how=st.sampled_from(["plain", "with work", "in a list"]))
    def succeed(self, which: int, other: bool, how: str) -> None:
        run, worker = self._pick(which, other)
        row = self._ended(run, worker)
        if how == "with work":
            won = self.fetch(jobs.SUCCEED_WITH_WORK, run.job, run.attempt, worker)
        else:
            won = self.fetch(jobs.SUCCEED, [run.job], [run.attempt], ["1"], worker)
        assert bool(won) == (row is not None)
        if row:
            row.state, row.result = "succeeded", None if how == "with work" else "1"

    @precondition(lambda self: self.runs)
    @rule(which=number, other=st.booleans())
    def store_the_result(self, which: int, other: bool) -> None:
        run, worker = self._pick(which, other)
        row = self.rows[run.job]
        stores = row.state == "succeeded" and (row.attempt, row.worker) == (run.attempt, worker)
        assert bool(self.fetch(jobs.STORE_RESULT, run.job, run.attempt, worker, "2")) == stores
        if stores:
            row.result = "2"
        is_there = self.fetch(jobs.SUCCEEDED_WITH_WORK, run.job, run.attempt, worker)
        is_mine = (row.attempt, row.worker) == (run.attempt, worker)
        assert [found[0] for found in is_there] == ([row.state == "succeeded"] if is_mine else [])

    @precondition(lambda self: self.runs)
    @rule(which=number, other=st.booleans(), delay=st.sampled_from([None, 0.0, HOUR]))
    def fail(self, which: int, other: bool, delay: float | None) -> None:
        run, worker = self._pick(which, other)
        row = self._ended(run, worker)
        columns: list[Any] = [run.job, run.attempt, "Error", "bad luck", "", delay]
        won = self.fetch(jobs.FAIL, *([column] for column in columns), worker)
        assert bool(won) == (row is not None)
        if row and delay is None:
            row.state = "failed"
        elif row:
            row.queue(is_due=delay == 0)

    @precondition(lambda self: self.runs)
    @rule(which=number, other=st.booleans())
    def cancel(self, which: int, other: bool) -> None:
        run, worker = self._pick(which, other)
        row = self._ended(run, worker)
        assert bool(self.fetch(jobs.CANCEL_RUNNING, [run.job], [run.attempt], ["because"], worker)) == (row is not None)
        if row:
            row.state = "cancelled"

    @precondition(lambda self: self.runs)
    @rule(which=number, other=st.booleans())
    def release(self, which: int, other: bool) -> None:
        run, worker = self._pick(which, other)
        row = self._ended(run, worker)
        assert bool(self.fetch(jobs.RELEASE, [run.job], [run.attempt], worker)) == (row is not None)
        if row:
            row.queue(is_due=True)
            row.max_attempts, row.releases = row.max_attempts + 1, row.releases + 1

    def _pick(self, which: int, other: bool) -> tuple[Run, uuid.UUID]:
        """A run of now or of the past, often the latest, and who says that it has ended: perhaps somebody else."""
        run = self.runs[-1 - which % len(self.runs)]
        strangers = [worker for worker in self.workers if worker != run.worker]
        return run, strangers[0] if other else run.worker

    # ---- leaders, rescuers, people

    @rule(who=st.integers(0, 1))
    def lead(self, who: int) -> None:
        """Take the lease if it is free; else the one who has it keeps it."""
        won = self.fetch(leases.ACQUIRE, "scheduling", self.leaders[who], LEASE)
        assert bool(won) == (self.leading is None)
        if won:
            self.term += 1
            self.terms[who] = won[0][0]
            assert self.terms[who] == self.term
            self.leading = self.leaders[who], self.term

    @rule(who=st.integers(0, 1), as_other=st.booleans())
    def renew(self, who: int, as_other: bool) -> None:
        holder, term = self.leaders[who], self.terms[1 - who if as_other else who]
        won = self.fetch(leases.RENEW, "scheduling", holder, term, LEASE)
        assert bool(won) == (self.leading == (holder, term))

    @rule(who=st.integers(0, 1), as_other=st.booleans())
    def resign(self, who: int, as_other: bool) -> None:
        holder, term = self.leaders[who], self.terms[1 - who if as_other else who]
        self.fetch(leases.RESIGN, "scheduling", holder, term)
        if self.leading == (holder, term):
            self.leading = None

    @rule()
    def the_lease_runs_out(self) -> None:
        self.fetch("update leases set expires_at = now() - interval '1 s'")
        self.leading = None

    @rule(which=st.integers(0, 1), who=st.integers(0, 1), as_other=st.booleans(), is_silent=st.booleans())
    def rescue(self, which: int, who: int, as_other: bool, is_silent: bool) -> None:
        """Somebody who believes to lead buries a silent worker, which starts anew under another id."""
        worker, holder, term = self.workers[which], self.leaders[who], self.terms[1 - who if as_other else who]
        if is_silent:
            self.fetch("update workers set heartbeat_at = now() - interval '1 h' where id = $1", worker)
        dead = self.ids(workers.BURY, LEASE, holder, term)
        assert dead == ({worker} if is_silent and self.leading == (holder, term) else set())
        assert self.ids(workers.HEARTBEAT, [worker]) == {worker} - dead
        assert self.ids(workers.HEARTBEAT, self.workers) == set(self.workers) - dead
        orphans = {job for job, row in self.rows.items() if row.state == "running" and row.worker in dead}
        assert self.ids(workers.RESCUE, list(dead)) == orphans
        for job in orphans:
            row = self.rows[job]
            if row.attempt >= row.max_attempts:
                row.state = "failed"
            else:
                row.queue(is_due=True)
        if dead:
            self.workers[which] = uuid7()
            self.register(self.workers[which])

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def queue_again(self, which: int) -> None:
        job = list(self.rows)[which % len(self.rows)]
        row = self.rows[job]
        has_ended_badly = row.state in ("failed", "cancelled")
        assert bool(self.ids(jobs.QUEUE_AGAIN, [job])) == has_ended_badly
        if has_ended_badly:
            row.max_attempts = row.attempt + max(1, row.max_attempts - row.attempt)
            row.queue(is_due=True)
