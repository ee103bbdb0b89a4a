"""What the play stands on: the connection, the model's rows, and what must hold after each step.

After each step the rows must be exactly as the model says, and whatever is over is refused, whoever asks.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import astuple
from typing import Any, TypeVar

import asyncpg
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from db import checkpoints, control, jobs, leases, limits, workers
from runtime.ids import uuid7
from tests.model.rows import OTHER_QUEUE, QUEUE, STATE, Message, Row, Run

T = TypeVar("T")
HOUR = 3_600.0
LATER = "select id, run_at, dispatched_at from jobs order by id"
PRIORITY, LEASE = 0, 60.0
ACTOR, KEY, OTHER = "actor", "key", "another key"  # KEY lets one run at a time


class Ground(RuleBasedStateMachine):
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
        self.grants: dict[uuid.UUID, int] = {}  # which run each job may have, as long as that counts
        self.old_grants: set[uuid.UUID] = set()
        self.is_paused = False  # the actor

    # ---- the ground

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        return list(self.wait(self.connection.fetch(statement, *values)))

    def ids(self, statement: str, *values: Any) -> set[uuid.UUID]:
        return {row[0] for row in self.fetch(statement, *values)}

    def register(self, worker: uuid.UUID) -> None:
        self.fetch(workers.REGISTER, worker, "host", 1, "process", [QUEUE, OTHER_QUEUE], 1, 1, "0", "3", "2")

    @initialize()
    def begin(self) -> None:
        for table in ("jobs", "workers", "leases", "limits", "limit_grants", "pauses"):
            self.fetch(f"delete from {table}")
        for worker in self.workers:
            self.register(worker)
        self.fetch(limits.DEFINE, [KEY, OTHER], [1, None], [None, None], [None, None])

    @invariant()
    def rows_are_as_foretold(self) -> None:
        for job, row in self.rows.items():
            (found,) = self.fetch(STATE, job)
            assert tuple(found) == astuple(row)

    @invariant()
    def what_is_over_is_refused(self) -> None:
        """Every message and every run of now and just before that is not to change a row does not, whoever asks."""
        for me in (*self.workers, uuid7()):
            named = [(job, row, n) for job, row in self.rows.items() for n in (row.attempt - 1, row.attempt)]
            self._claims_are_refused(me, [
                (job, n) for job, row, n in named
                if me not in self.workers or not row.takes(n)
            ])  # fmt: skip
            self._ends_are_refused(me, [
                (job, n) for job, row, n in named
                if not (row.state == "running" and (row.attempt, row.worker) == (n, me))
            ])  # fmt: skip
            for job, row, n in named:
                if row.worker is not None and (row.attempt, row.worker) != (n, me):
                    assert not self.fetch(jobs.SUCCEEDED_WITH_WORK, job, n, me)
                if row.worker is not None and (row.state, row.attempt, row.worker) != ("succeeded", n, me):
                    assert not self.fetch(jobs.STORE_RESULT, job, n, me, "3")
        over = [
            (job, n) for job, row in self.rows.items() for n in (row.attempt - 1, row.attempt)
            if row.state != "queued" or row.attempt != n
        ]  # fmt: skip
        ids, attempts = [job for job, _ in over], [n for _, n in over]
        assert not self.ids(jobs.UNDISPATCH, ids, attempts)
        unsent = [job for job, row in self.rows.items() if not row.is_dispatched]
        assert not self.ids(jobs.UNDISPATCH, unsent, [self.rows[job].attempt for job in unsent])
        before = self.fetch(LATER)
        self.fetch(jobs.PUT_OFF, ids, attempts, HOUR, HOUR)
        assert self.fetch(LATER) == before

    @invariant()
    def verbs_that_make_no_sense_are_refused(self) -> None:
        verbs: list[tuple[str, list[Any], str]] = [
            (control.CANCEL, ["because"], "cancel"),
            (control.PAUSE, ["because"], "pause"),
            (control.RESUME, [], "resume"),
            (control.RUN_NOW, [], "run now"),
            (control.MOVE, ["nowhere", 1], "move"),
            (control.RETRY, [True], "retry"),
            (control.DELETE, [], "delete"),
        ]
        for statement, values, name in verbs:
            refused = [job for job, row in self.rows.items() if not row.allows(name)]
            assert not self.ids(statement, refused, *values)

    def _claims_are_refused(self, me: uuid.UUID, messages: list[tuple[uuid.UUID, int]]) -> None:
        ids, attempts = [job for job, _ in messages], [n for _, n in messages]
        assert not self.fetch(jobs.CLAIM, ids, attempts, me)
        if me != self.workers[0]:  # one of them is enough; another key, so that those who wait are left alone
            assert not self.fetch(limits.GRANT, [OTHER], ids, attempts, [OTHER] * len(ids), me)
        unclaimed = [
            (job, n) for job, n in messages
            if ("running", n + 1, me) != (self.rows[job].state, self.rows[job].attempt, self.rows[job].worker)
        ]  # fmt: skip
        assert not self.fetch(jobs.CLAIMED, [job for job, _ in unclaimed], [n for _, n in unclaimed], me)

    def _ends_are_refused(self, me: uuid.UUID, runs: list[tuple[uuid.UUID, int]]) -> None:
        ids, attempts = [job for job, _ in runs], [n for _, n in runs]
        words: list[str | None] = ["stale"] * len(runs)
        assert not self.fetch(jobs.SUCCEED, ids, attempts, ["0"] * len(runs), me)
        assert not self.fetch(jobs.FAIL, ids, attempts, words, words, words, [None] * len(runs), me)
        assert not self.fetch(jobs.CANCEL_RUNNING, ids, attempts, words, me)
        assert not self.fetch(jobs.RELEASE, ids, attempts, [0.0] * len(runs), me)
        assert not self.fetch(checkpoints.SAVE, ids, attempts, ["0"] * len(runs), me)
        self.fetch(checkpoints.KEEP_ITEMS, ids, attempts, ["stale"] * len(runs), me)
        assert not self.fetch("select from job_steps where name = 'stale'")
        for job, attempt in runs:
            assert not self.fetch(checkpoints.HOLD, job, attempt, me)
        for job, attempt in runs if me in self.workers else ():
            assert not self.fetch(jobs.SUCCEED_WITH_WORK, job, attempt, me)

    @invariant()
    def only_the_leader_leads(self) -> None:
        """Every term of now and just before, whoever claims it, but the one that holds the lease."""
        for holder in self.leaders:
            for term in {self.term, self.term - 1} - {
                self.leading[1] if self.leading and self.leading[0] == holder else -1
            }:
                assert not self.fetch(leases.RENEW, "scheduling", holder, term, LEASE)
                assert not self.fetch(workers.BURY, 0.0, holder, term)
                self.fetch(leases.RESIGN, "scheduling", holder, term)
        held = self.fetch("select 1 from leases where expires_at > now()")
        assert bool(held) == (self.leading is not None)
