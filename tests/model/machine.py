"""A random play of producers, relays, workers, rescuers and people on a few jobs, and a model that foretells each row.

Messages are delivered late, twice, or long after their run is over; runs are ended by those who no longer own them; in
between workers are buried and leaders lose their terms. After each step the rows must be exactly as the model says.
"""

import uuid
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from db import checkpoints, control, jobs, leases, limits, pauses, workers
from runtime.ids import uuid7
from tests.model.ground import ACTOR, HOUR, KEY, LEASE, PRIORITY, Ground
from tests.model.rows import OTHER_QUEUE, QUEUE, Message, Row, Run

number = st.integers(0, 50)  # which of those that there are


class Machine(Ground):
    # ---- producers, relays, time

    @precondition(lambda self: len(self.rows) < 3)
    @rule(max_attempts=st.integers(1, 3), is_sent=st.booleans(), is_due=st.booleans())
    def enqueue(self, max_attempts: int, is_sent: bool, is_due: bool) -> None:
        job, is_sent = uuid7(), is_sent and is_due
        columns: list[Any] = [
            job, "[]", "{}", is_sent, ACTOR, QUEUE, None, PRIORITY, max_attempts, 0.0 if is_due else HOUR,
            None, None, None, None, None, None, None,
        ]  # fmt: skip
        self.fetch(jobs.INSERT, *columns)
        self.rows[job] = Row(max_attempts, is_dispatched=is_sent, is_due=is_due)
        if is_sent:
            self.messages.append(Message(job, 0))

    @rule()
    def relay(self) -> None:
        due = [job for job, row in self.rows.items() if row.state == "queued" and row.is_due and not row.is_dispatched]
        for queue in (QUEUE, OTHER_QUEUE):
            there = {job for job in due if self.rows[job].place == queue}
            assert self.ids(jobs.DISPATCH, queue, PRIORITY, 100) == there
        for job in due:
            self.rows[job].is_dispatched = True
            self.messages.append(Message(job, self.rows[job].attempt))

    @rule()
    def an_hour_passes(self) -> None:
        self.fetch("update jobs set run_at = now() where state not in ('waiting', 'paused') and run_at > now()")
        self.fetch("update jobs set resume_at = now() where resume_at > now()")
        for row in self.rows.values():
            row.is_due = row.state != "waiting"

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
            self.claim(which, 0)  # it comes after all, and then nothing is to be sent again
            self.relay()

    # ---- workers

    @precondition(lambda self: self.messages)
    @rule(which=number, worker=st.integers(0, 1))
    def claim(self, which: int, worker: int) -> None:
        message, me = self.messages[which % len(self.messages)], self.workers[worker]
        row = self.rows[message.job]
        wins = row.takes(message.attempt)
        won = self.fetch(jobs.CLAIM, [message.job], [message.attempt], me)
        assert bool(won) == wins
        if wins:
            row.start(me)
            self.runs.append(Run(message.job, row.attempt, me))
        mine = row.state == "running" and row.worker == me and row.attempt == message.attempt + 1
        assert bool(self.fetch(jobs.CLAIMED, [message.job], [message.attempt], me)) == mine

    @precondition(lambda self: self.messages)
    @rule(which=number, is_over=st.booleans())
    def put_off(self, which: int, *, is_over: bool) -> None:
        message = self.messages[which % len(self.messages)]
        row = self.rows[message.job]
        self.fetch(jobs.PUT_OFF, [message.job], [message.attempt], HOUR, 0.0 if is_over else HOUR)
        if row.state == "queued" and row.attempt == message.attempt:
            if row.is_unknown and is_over:
                row.state = "failed"
            else:
                row.queue(is_due=False)
                row.is_unknown = True

    def _ended(self, run: Run) -> Row | None:
        """The run's row, if it is still that run's."""
        row = self.rows[run.job]
        return row if row.state == "running" and (row.attempt, row.worker) == (run.attempt, run.worker) else None

    @precondition(lambda self: self.runs)
    @rule(which=number, how=st.sampled_from(["plain", "with work", "in a list"]))
    def succeed(self, which: int, how: str) -> None:
        run = self._pick(which)
        row = self._ended(run)
        if how == "with work":
            won = self.fetch(jobs.SUCCEED_WITH_WORK, run.job, run.attempt, run.worker)
        else:
            won = self.fetch(jobs.SUCCEED, [run.job], [run.attempt], ["1"], run.worker)
        assert bool(won) == (row is not None)
        if row:
            row.state, row.result, row.control = "succeeded", None if how == "with work" else "1", None

    @precondition(lambda self: self.runs)
    @rule(which=number)
    def store_the_result(self, which: int) -> None:
        run = self._pick(which)
        row = self.rows[run.job]
        stores = row.state == "succeeded" and (row.attempt, row.worker) == (run.attempt, run.worker)
        assert bool(self.fetch(jobs.STORE_RESULT, run.job, run.attempt, run.worker, "2")) == stores
        if stores:
            row.result = "2"
        is_there = self.fetch(jobs.SUCCEEDED_WITH_WORK, run.job, run.attempt, run.worker)
        is_mine = (row.attempt, row.worker) == (run.attempt, run.worker)
        assert [found[0] for found in is_there] == ([row.state == "succeeded"] if is_mine else [])

    @precondition(lambda self: self.runs)
    @rule(which=number, delay=st.sampled_from([None, 0.0, HOUR]))
    def fail(self, which: int, delay: float | None) -> None:
        run = self._pick(which)
        row = self._ended(run)
        columns: list[Any] = [run.job, run.attempt, "Error", "bad luck", "", delay]
        won = self.fetch(jobs.FAIL, *([column] for column in columns), run.worker)
        assert bool(won) == (row is not None)
        if row:
            row.leave(fails=delay is None, is_due=delay == 0)

    @precondition(lambda self: self.runs)
    @rule(which=number)
    def cancel(self, which: int) -> None:
        run = self._pick(which)
        row = self._ended(run)
        won = self.fetch(jobs.CANCEL_RUNNING, [run.job], [run.attempt], ["because"], run.worker)
        assert bool(won) == (row is not None)
        if row:
            row.state, row.control = "cancelled", None

    @precondition(lambda self: self.runs)
    @rule(which=number, delay=st.sampled_from([0.0, HOUR]))
    def release(self, which: int, delay: float) -> None:
        run = self._pick(which)
        row = self._ended(run)
        assert bool(self.fetch(jobs.RELEASE, [run.job], [run.attempt], [delay], run.worker)) == (row is not None)
        if row:
            row.leave(fails=False, is_due=delay == 0)
            row.max_attempts, row.releases = row.max_attempts + 1, row.releases + 1

    @precondition(lambda self: self.runs)
    @rule(which=number)
    def save_a_checkpoint(self, which: int) -> None:
        run = self._pick(which)
        row = self._ended(run)
        held = self.fetch(checkpoints.SAVE, [run.job], [run.attempt], ["1"], run.worker)
        assert bool(held) == bool(self.fetch(checkpoints.HOLD, *run)) == (row is not None)
        if row:
            row.saved_by = run.attempt

    def _pick(self, which: int) -> Run:
        """A run of now or of the past, often the latest."""
        return self.runs[-1 - which % len(self.runs)]

    @precondition(lambda self: self.runs)
    @rule(which=number)
    def release_and_take_again(self, which: int) -> None:
        """What makes a run stale whose worker has the job once more."""
        run = self._pick(which)
        if self._ended(run) and run.worker in self.workers:
            self.release(which, 0.0)
            self.relay()
            if self.rows[run.job].state == "queued":  # and nobody had wanted it paused, or cancelled
                self.claim(self.messages.index(Message(run.job, run.attempt)), self.workers.index(run.worker))

    # ---- limits, pauses, lateness

    def _decide(self, came: list[Message], me: uuid.UUID) -> dict[uuid.UUID, str]:
        """What becomes of those that came and of those that wait."""
        self.fetch(limits.LOCK, [KEY])
        self.fetch(limits.TIDY, [KEY])
        ids, attempts = [job for job, _ in came], [n for _, n in came]
        rows = self.fetch(limits.GRANT, [KEY], ids, attempts, [KEY] * len(came), me)
        return {row["id"]: row["state"] for row in rows if row["id"] is not None}

    def _counts(self, job: uuid.UUID) -> bool:
        row, attempt = self.rows[job], self.grants[job]
        is_promised = row.state == "queued" and row.attempt == attempt - 1 and job not in self.old_grants
        return is_promised or (row.state == "running" and row.attempt == attempt)

    def _waiting(self, by: str) -> list[uuid.UUID]:
        return sorted(job for job, row in self.rows.items() if row.blocked_by == by)

    @invariant()
    def nobody_who_waits_is_forgotten(self) -> None:
        if self._waiting(f"limit:{KEY}"):
            assert self.fetch("select 1 from limits where key = $1 and due_at is not null", KEY)

    @rule(which=number, worker=st.integers(0, 1), comes=st.booleans())
    def decide(self, which: int, worker: int, *, comes: bool) -> None:
        """A message comes to a worker, or somebody hands on what is free: one at a time, who was promised it first,
        then the oldest."""
        me = self.workers[worker]
        message = self.messages[which % len(self.messages)] if comes and self.messages else None
        came = message.job if message and self.rows[message.job].takes(message.attempt) else None
        self.grants = {job: attempt for job, attempt in self.grants.items() if self._counts(job)}
        was_promised = came in self.grants
        room = 1 - len(self.grants.keys() - {came})
        waiting = self._waiting(f"limit:{KEY}")
        wanting = sorted(waiting[:room] + ([came] if came else []))
        if was_promised and came:
            wanting = [came, *(job for job in wanting if job != came)]
        expected: dict[uuid.UUID, str] = {}
        for job in wanting:
            row, wins = self.rows[job], room > len(expected)
            if job == came and wins:
                row.start(me)
                self.runs.append(Run(job, row.attempt, me))
                self.grants[job] = row.attempt
            elif job == came:
                row.block(f"limit:{KEY}")
            elif wins:
                row.go_on(is_dispatched=True)
                self.messages.append(Message(job, row.attempt))
                self.grants[job] = row.attempt + 1
            if wins or job == came:
                expected[job] = row.state
                self.old_grants.discard(job)
        assert self._decide([message] if message else [], me) == expected

    @rule()
    def promises_grow_old(self) -> None:
        self.fetch("update limit_grants set granted_at = granted_at - interval '31 s'")
        self.old_grants |= self.grants.keys()

    @rule()
    def pause_or_resume_the_actor(self) -> None:
        if self.is_paused:
            assert self.fetch(pauses.RESUME, "actor", ACTOR)
        else:
            assert self.fetch(pauses.PAUSE, "actor", ACTOR, "because", "somebody", None, None)
            assert not self.fetch(pauses.PAUSE, "actor", ACTOR, "because", "somebody", None, None)
        self.is_paused = not self.is_paused

    @precondition(lambda self: self.messages)
    @rule(which=number)
    def hold_back(self, which: int) -> None:
        """A worker has heard that the actor is paused, which may not be so any more."""
        message = self.messages[which % len(self.messages)]
        row = self.rows[message.job]
        is_held = self.is_paused and row.state == "queued" and row.attempt == message.attempt
        assert bool(self.ids(pauses.BLOCK, [message.job], [message.attempt])) == is_held
        if is_held:
            row.block(f"actor:{ACTOR}")

    @rule()
    def let_go_on(self) -> None:
        held = [] if self.is_paused else self._waiting(f"actor:{ACTOR}")
        assert {row["actor"] for row in self.fetch(pauses.GOING_ON)} == ({ACTOR} if held else set())
        assert self.ids(pauses.GO_ON, ACTOR, 100) == set(held)
        for job in held:
            self.rows[job].go_on(is_dispatched=False)

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def run_late(self, which: int) -> None:
        job = list(self.rows)[which % len(self.rows)]
        self.fetch("update jobs set expires_at = now() - interval '1 s' where id = $1", job)
        self.rows[job].is_late = True

    @rule()
    def sweep(self) -> None:
        late = {job for job, row in self.rows.items() if row.is_late and row.state in ("waiting", "queued")}
        late = {job for job in late if not self.rows[job].has_started}
        assert self.ids(jobs.EXPIRE, 100) == late
        for job in late:
            row = self.rows[job]
            row.is_due = row.is_due or row.state == "waiting"
            row.state, row.blocked_by, row.is_unknown = "cancelled", None, False

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

    @rule(who=st.integers(0, 1))
    def renew(self, who: int) -> None:
        won = self.fetch(leases.RENEW, "scheduling", self.leaders[who], self.terms[who], LEASE)
        assert bool(won) == (self.leading == (self.leaders[who], self.terms[who]))

    @precondition(lambda self: self.leading)
    @rule()
    def resign(self) -> None:
        assert self.leading
        self.fetch(leases.RESIGN, "scheduling", *self.leading)
        self.leading = None

    @rule()
    def the_lease_runs_out(self) -> None:
        self.fetch("update leases set expires_at = now() - interval '1 s'")
        self.leading = None

    @rule(which=st.integers(0, 1), who=st.integers(0, 1), is_silent=st.booleans())
    def rescue(self, which: int, who: int, is_silent: bool) -> None:
        """Somebody who believes to lead buries a silent worker, which starts anew under another id."""
        worker, holder, term = self.workers[which], self.leaders[who], self.terms[who]
        if is_silent:
            self.fetch("update workers set heartbeat_at = now() - interval '1 h' where id = $1", worker)
        dead = self.ids(workers.BURY, LEASE, holder, term)
        assert dead == ({worker} if is_silent and self.leading == (holder, term) else set())
        assert self.ids(workers.HEARTBEAT, [worker], 1, 0.0) == {worker} - dead
        assert self.ids(workers.HEARTBEAT, self.workers, 1, 0.0) == set(self.workers) - dead
        orphans = {job for job, row in self.rows.items() if row.state == "running" and row.worker in dead}
        assert self.ids(workers.RESCUE, list(dead)) == orphans
        for job in orphans:
            row = self.rows[job]
            row.leave(fails=row.attempt >= row.max_attempts, is_due=True)
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
            row.is_unknown = row.is_late = False
            row.queue(is_due=True)

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def cancel_from_outside(self, which: int) -> None:
        job, row = self._any(which)
        makes_sense = row.allows("cancel")
        assert bool(self.ids(control.CANCEL, [job], "because")) == makes_sense
        if makes_sense and row.state == "running":
            row.control = "cancel"
        elif makes_sense:
            row.stop_waiting()
            row.state, row.is_unknown = "cancelled", False

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def pause_from_outside(self, which: int) -> None:
        job, row = self._any(which)
        makes_sense = row.allows("pause")
        assert bool(self.ids(control.PAUSE, [job], "because")) == makes_sense
        if makes_sense and row.state == "running":
            row.control = "pause"
        elif makes_sense:
            row.stop_waiting()
            if row.state == "queued" and row.is_dispatched:  # its message becomes an old one
                row.attempt, row.releases, row.max_attempts = row.attempt + 1, row.releases + 1, row.max_attempts + 1
            row.state, row.is_dispatched = "paused", False

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def resume(self, which: int) -> None:
        job, row = self._any(which)
        makes_sense = row.allows("resume")
        assert bool(self.ids(control.RESUME, [job])) == makes_sense
        if makes_sense:
            row.state, row.control = "queued" if row.state == "paused" else row.state, None

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def run_now(self, which: int) -> None:
        job, row = self._any(which)
        makes_sense = row.allows("run now")
        assert bool(self.ids(control.RUN_NOW, [job])) == makes_sense
        if makes_sense:
            row.is_due, row.is_dispatched = True, False

    @precondition(lambda self: self.rows)
    @rule(which=number)
    def move(self, which: int) -> None:
        """There and back: whatever message of it there is becomes an old one."""
        job, row = self._any(which)
        makes_sense = row.allows("move")
        queue = OTHER_QUEUE if row.place == QUEUE else QUEUE
        assert bool(self.ids(control.MOVE, [job], queue, None)) == makes_sense
        assert not self.ids(control.MOVE, [job], queue, None)  # it is there
        if makes_sense:
            row.place, row.is_dispatched = queue, False
            row.attempt, row.releases, row.max_attempts = row.attempt + 1, row.releases + 1, row.max_attempts + 1

    def _any(self, which: int) -> tuple[uuid.UUID, Row]:
        job = list(self.rows)[which % len(self.rows)]
        return job, self.rows[job]

    @precondition(lambda self: self.rows)
    @rule(which=number, wish=st.sampled_from(["cancel", "pause"]))
    def ask(self, which: int, wish: str) -> None:
        """Somebody wants something of a run; its worker, and no other, finds that."""
        job = list(self.rows)[which % len(self.rows)]
        row = self.rows[job]
        if row.state == "running":
            self.fetch("update jobs set control = $2, control_reason = 'because' where id = $1", job, wish)
            row.control = wish
        for worker in self.workers:
            found = {row["id"]: row["control"] for row in self.fetch(jobs.CONTROLLED, worker)}
            assert found == {job: row.control for job, row in self.rows.items() if row.control and row.worker == worker}
