"""What the model knows of a job, and how that is read from the database."""

import uuid
from dataclasses import dataclass
from typing import NamedTuple

QUEUE, OTHER_QUEUE = "model", "another model"
ENDED = ("succeeded", "failed", "cancelled")


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
    is_unknown: bool = False  # a worker that did not know its actor has put it off since its last run

    control: str | None = None
    saved_by: int | None = None  # the attempt whose checkpoint there is
    blocked_by: str | None = None
    is_late: bool = False  # it was to start by now
    has_started: bool = False
    place: str = QUEUE

    def takes(self, attempt: int) -> bool:
        """Whether a message of that attempt may start it."""
        is_late = self.is_late and not self.has_started
        return self.state == "queued" and self.attempt == attempt and self.is_due and not is_late

    def start(self, worker: uuid.UUID) -> None:
        self.state, self.worker, self.attempt, self.is_unknown = "running", worker, self.attempt + 1, False
        self.has_started = True

    def block(self, by: str) -> None:
        self.queue(is_due=False)
        self.state, self.blocked_by = "waiting", by

    def stop_waiting(self) -> None:
        """Whatever it waited for, it is due."""
        self.is_due, self.blocked_by = self.is_due or self.state == "waiting", None

    def go_on(self, *, is_dispatched: bool) -> None:
        self.queue(is_due=True)
        self.blocked_by, self.is_dispatched = None, is_dispatched

    def allows(self, verb: str) -> bool:
        """Whether it makes sense from outside."""
        return {
            "cancel": self.state not in ENDED and self.control != "cancel",
            "pause": self.state in ("waiting", "queued", "running") and self.control is None,
            "resume": self.state == "paused" or self.control == "pause",
            "move": self.state in ("waiting", "queued", "paused"),
            "run now": self.state == "queued" and not self.is_due,
            "retry": self.state in ("failed", "cancelled"),
            "delete": self.state in ENDED,
        }[verb]

    def leave(self, *, fails: bool, is_due: bool) -> None:
        """A run that did not succeed is over; what somebody wants of it comes before another run."""
        wish, self.control = self.control, None
        if fails:
            self.state = "failed"
        elif wish == "cancel":
            self.state = "cancelled"
        else:
            self.queue(is_due=is_due)
            self.state = "paused" if wish == "pause" else "queued"

    def queue(self, *, is_due: bool) -> None:
        self.state, self.worker, self.is_dispatched, self.is_due = "queued", None, False, is_due


STATE = """
select max_attempts, state, attempt, releases, worker, dispatched_at is not null,
       coalesce(resume_at, run_at) <= now(), result::text,
       coalesce(error->>'type' = 'UnknownActor' and (error->>'since')::timestamptz > coalesce(started_at, '-infinity'),
                false),
       control, (select attempt from job_checkpoints where job_id = jobs.id),
       blocked_by, coalesce(expires_at <= now(), false), started_at is not null, queue
from jobs where id = $1
"""
