"""What the end of a job means for its workflow, worked out in the very transaction that ends the job.

Take the workflow's row (`lock`), end the jobs, then tell (`report`). Each end is counted on its step; a step whose last
job has ended counts down its successors; a successor whose join is met has its jobs made. A crash before the commit
undoes all of it, the job's end included, and whoever runs the job next does it again. So a step, a chord's body among
them, is begun by exactly one transaction, whatever is killed when.

Whatever else ends a job (the rescuer, a person, the clock) leaves it unreported; scheduling/workflows.py reports it.
"""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg

from db import workflow_jobs, workflow_steps, workflows
from db.jobs import Outcome
from runtime import payload
from runtime.outbox import Outbox
from runtime.release import Ended, Release

_STOPPING = ("failing", "cancelling")
_HITS = ("succeeded", "skipped")


class Error(NamedTuple):
    """Why a workflow stops."""

    type: str
    message: str
    step: str | None = None


@dataclass
class _Workflow:
    id: uuid.UUID
    state: str
    owner: str | None


@asynccontextmanager
async def advancing(
    connection: asyncpg.Connection, outbox: Outbox, ids: Collection[uuid.UUID]
) -> AsyncIterator["Advance"]:
    """A transaction that holds these workflows; at its end what follows is written, and sent after its commit."""
    advance = Advance(connection, outbox)
    try:
        async with connection.transaction():
            await advance.lock(ids)
            yield advance
            await advance.settle()
    except BaseException:
        outbox.forget(advance.envelopes)
        raise
    outbox.send(advance.envelopes)


class Advance:
    """Belongs to one transaction, which ends with `settle`. After its commit `envelopes` are to be sent; after a
    rollback, forgotten."""

    def __init__(self, connection: asyncpg.Connection, outbox: Outbox | None) -> None:
        self._connection = connection
        self._release = Release(connection, outbox)
        self._workflows: dict[uuid.UUID, _Workflow] = {}

    @property
    def envelopes(self) -> list[Any]:
        return self._release.envelopes

    async def lock(self, ids: Collection[uuid.UUID]) -> None:
        """Take these workflows; all that are to be taken at once, and before any job of theirs is written."""
        for row in await self._connection.fetch(workflows.LOCK, list(ids)):
            self._workflows[row["id"]] = _Workflow(row["id"], row["state"], row["owner"])

    def state(self, workflow: uuid.UUID) -> str | None:
        """Its state; None if there is no such workflow (any more)."""
        found = self._workflows.get(workflow)
        return found.state if found else None

    async def report(self, ids: Sequence[uuid.UUID], ended: Iterable[asyncpg.Record] = ()) -> None:
        """These jobs may have ended (`ended` have, and say so themselves): go on with what follows from it."""
        stopping = [workflow.id for workflow in self._workflows.values() if workflow.state in _STOPPING]
        rows = list(ended)
        if ids:
            rows += await self._connection.fetch(workflow_jobs.REPORT, list(ids))
            if stopping:  # their runs failed, and would be tried again
                rows += await self._connection.fetch(workflow_jobs.CANCEL_JOBS, stopping, list(ids))
        await self._count(rows)

    async def settle(self) -> None:
        """Write what was decided, and close what is at rest."""
        await self._close()
        await self._release.write({workflow.id: workflow.owner for workflow in self._workflows.values()})

    async def begin(self, steps: Sequence[asyncpg.Record]) -> None:
        """Begin these steps, and what follows if they end by that."""
        ended = await self._release.begin(steps)
        await self.end(ended)

    async def end(self, ended: Sequence[Ended]) -> None:
        """These steps end without a job's doing."""
        if ended:
            rows = await self._connection.fetch(
                workflow_steps.END,
                [end.id for end in ended],
                [end.state for end in ended],
                [end.result for end in ended],
                [end.error[0] if end.error else None for end in ended],
                [end.error[1] if end.error else None for end in ended],
            )
            await self._ended(rows)

    async def skipped(self, step: asyncpg.Record) -> None:
        """A person says that this step is not needed."""
        await self._ended([step])

    async def resume(self, workflow: uuid.UUID) -> None:
        """Begin what has become ready while nothing was to begin, or has been made ready by a person."""
        ready = await self._connection.fetch(workflow_steps.READY, workflow)
        await self.begin(ready)
        for step in await self._connection.fetch(workflow_steps.UNFINISHED_FANS, workflow):
            await self._more(step)

    async def stop(self, workflow: uuid.UUID, error: Error, *, state: str = "failing", compensates: bool) -> bool:
        """Nothing more begins: what waits is cancelled, what runs is awaited. False if it is stopping already."""
        stopped = await self._connection.fetch(
            workflows.STOP, workflow, state, compensates, error.type, error.message, error.step
        )
        if not stopped:
            return False
        self._workflows[workflow].state = state
        self._release.drop(workflow)
        await self._connection.execute(workflow_steps.CANCEL_STEPS, workflow)
        await self.cancel_jobs([workflow])
        return True

    async def cancel_jobs(self, stopping: Sequence[uuid.UUID]) -> None:
        """Jobs of theirs that have not been started, or were to be tried again, are cancelled."""
        await self._count(await self._connection.fetch(workflow_jobs.CANCEL_JOBS, stopping, None))
        fans = [row for workflow in stopping for row in await self._unfinished(workflow)]
        await self._finish([step for step in fans if step["ended"] == step["released"]])

    async def _unfinished(self, workflow: uuid.UUID) -> list[asyncpg.Record]:
        return list(await self._connection.fetch(workflow_steps.UNFINISHED_FANS, workflow))

    async def _count(self, jobs: Sequence[asyncpg.Record]) -> None:
        """Count ended jobs on their steps; those of earlier runs, and of steps that have ended, count no more."""
        if not jobs:
            return
        ended = Counter(job["step_run"] for job in jobs)
        failed = Counter(job["step_run"] for job in jobs if self._is_failure(job))
        runs = list(ended)
        steps = await self._connection.fetch(
            workflow_steps.COUNT_ENDS, runs, [ended[run] for run in runs], [failed[run] for run in runs]
        )
        for step in steps:
            if step["kind"] != "job" and step["failed"] and step["on_failure"] != "continue":
                await self._failed(step, Error("ItemsFailed", "A job of it failed.", step["name"]))
        await self._finish([step for step in steps if step["ended"] == self._goal(step)])
        if len(steps) < len(runs):
            await self._succeed_late(set(runs) - {step["run"] for step in steps})
        for step in steps:
            if step["released"] < step["total"] and self._begins(step["workflow_id"]):
                await self._more(step)

    async def _succeed_late(self, runs: set[uuid.UUID]) -> None:
        """A person ran the job of a failed step again, and it has succeeded: a workflow that had ended goes on, or goes
        on undoing."""
        for step in await self._connection.fetch(workflow_steps.SUCCEED_LATE, list(runs)):
            if step["undoes"] is None:
                await self.reopen(step["workflow_id"])
            else:
                await self.compensate_again(step["workflow_id"])

    async def reopen(self, workflow: uuid.UUID, steps: Sequence[uuid.UUID] = ()) -> None:
        """An ended workflow goes on: what failed or was cancelled is done after all, and these steps are done again."""
        if not await self._connection.fetch(workflows.REOPEN, workflow):
            return
        self._workflows[workflow].state = "running"
        await self._connection.fetch(workflow_steps.RESET, workflow, list(steps))
        await self._connection.execute(workflow_steps.RECOUNT, workflow)
        await self.resume(workflow)

    async def compensate_again(self, workflow: uuid.UUID) -> bool:
        """A workflow goes on undoing that had ended with an undo that failed. False if it had not."""
        if not await self._connection.fetch(workflows.COMPENSATE_AGAIN, workflow):
            return False
        self._workflows[workflow].state = "compensating"
        return True

    def _is_failure(self, job: asyncpg.Record) -> bool:
        if job["outcome"] == Outcome.CANCELLED:
            return self.state(job["workflow_id"]) not in _STOPPING
        return bool(job["outcome"] == Outcome.FAILED)

    def _goal(self, step: asyncpg.Record) -> int:
        """How many of its jobs have to end until the step has."""
        return int(step["released"] if self.state(step["workflow_id"]) in _STOPPING else step["total"])

    def _begins(self, workflow: uuid.UUID) -> bool:
        return self.state(workflow) in ("running", "compensating")

    async def _more(self, step: asyncpg.Record) -> None:
        ended = await self._release.more(step)
        if ended is not None:
            await self.end([ended])

    async def _finish(self, steps: Sequence[asyncpg.Record]) -> None:
        """The last job of these steps has ended."""
        single = [step["id"] for step in steps if step["kind"] == "job"]
        many = [step["id"] for step in steps if step["kind"] != "job"]
        ended: list[asyncpg.Record] = []
        if single:
            ended += await self._connection.fetch(workflow_steps.FINISH_JOBS, single)
        if many:
            ended += await self._connection.fetch(workflow_steps.FINISH_FANS, many, payload.LIMIT)
        await self._ended(ended)

    async def _ended(self, ended: Sequence[asyncpg.Record]) -> None:
        """Go on with the successors of steps that have ended, and with theirs if these end by that."""
        for step in ended:
            if step["state"] == "failed":
                await self._step_failed(step)
        if not ended:
            return
        ids, hits = [step["id"] for step in ended], [step["state"] in _HITS for step in ended]
        ready, unmet = [], []
        for step in await self._connection.fetch(workflow_steps.STEP_ENDED, ids, hits):
            if _is_unmet(step):
                unmet.append(step["id"])
            elif _is_met(step) and self._begins(step["workflow_id"]):
                ready.append(step)
        await self.end([Ended(step, "cancelled", error=_UNMET) for step in unmet])
        if ready:
            await self.begin(ready)

    async def _step_failed(self, step: asyncpg.Record) -> None:
        if step["undoes"] is not None:
            await self._undo_failed(step)
        elif step["on_failure"] != "continue":
            await self._failed(step, Error("StepFailed", f"The step {step['name']!r} failed.", step["name"]))

    async def _failed(self, step: asyncpg.Record, error: Error) -> None:
        await self.stop(step["workflow_id"], error, compensates=step["on_failure"] == "compensate")

    async def _undo_failed(self, step: asyncpg.Record) -> None:
        """What was to be undone is not: that needs a person."""
        workflow = self._workflows[step["workflow_id"]]
        workflow.state = "failed"
        await self._connection.execute(
            workflows.CLOSE, workflow.id, "failed", "UndoFailed",
            f"{step['name']!r} failed; what comes after it is not undone. Repair it, then retry the workflow.",
            step["name"],
        )  # fmt: skip

    async def _close(self) -> None:
        """End the workflows in which nothing is left to do, or begin to undo what was done."""
        for row in await self._connection.fetch(workflows.AT_REST, list(self._workflows)):
            state = row["state"]
            if state in ("running", "paused"):
                await self._end_workflow(row["id"], "succeeded")
            elif state == "compensating" or row["compensates"]:
                await self._undo_next(row["id"])
            else:
                await self._end_workflow(row["id"], "failed" if state == "failing" else "cancelled")

    async def _undo_next(self, workflow: uuid.UUID) -> None:
        await self._connection.execute(workflows.COMPENSATE, workflow)
        self._workflows[workflow].state = "compensating"
        undo = await self._connection.fetch(workflow_steps.NEXT_UNDO, workflow)
        if undo:
            await self.begin(undo)
        else:
            await self._end_workflow(workflow, "compensated")

    async def _end_workflow(self, workflow: uuid.UUID, state: str) -> None:
        self._workflows[workflow].state = state
        await self._connection.execute(workflows.CLOSE, workflow, state, None, None, None)


_UNMET = ("Unmet", "What it waits for did not come out as its join wants it.")


def _is_met(step: asyncpg.Record) -> bool:
    if step["join_policy"] == "any_succeeded":
        return bool(step["hits"] > 0)
    return bool(step["pending"] == 0 and (step["join_policy"] == "all_done" or step["hits"] == step["predecessors"]))


def _is_unmet(step: asyncpg.Record) -> bool:
    if step["join_policy"] == "all_succeeded":
        return bool(step["hits"] + step["pending"] < step["predecessors"])
    return bool(step["join_policy"] == "any_succeeded" and step["pending"] == 0 and step["hits"] == 0)
