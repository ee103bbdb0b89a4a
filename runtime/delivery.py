"""One message in a worker's hands, from its fetch to its acknowledgement."""

import enum
import uuid
from datetime import datetime
from typing import Any

from dramatiq import Message, MessageProxy

from runtime.checkpoint import Checkpoint
from runtime.failure import Failure
from runtime.limited import Limit
from runtime.logbook import LogBook
from runtime.slots import Kind, Slots


class Ending(enum.Enum):
    """How a run ended, as far as the job's row is concerned."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # or queued again, when `retry_in` is set
    CANCELLED = "cancelled"
    RELEASED = "released"  # queued again, after `retry_in` seconds, or paused if that is wanted; no attempt used
    COMMITTED = "committed"  # the job's own transaction has already ended it
    LOST = "lost"  # the run was given up: there is nothing to write


class Delivery(MessageProxy):
    """A message whose job this worker has claimed: which run it is, and how that run ends."""

    def __init__(self, message: Message[Any], source: str, redis_id: str) -> None:
        super().__init__(message)
        # The proxy finds a message's fields through __getattr__; hooks read these often.
        self.actor_name, self.args, self.kwargs = message.actor_name, message.args, message.kwargs
        self.queue_name = source  # whatever the message says: Dramatiq's threads look its consumer up by it
        self.options = {**message.options}
        self.eta: float | None = self.options.pop("eta", None)  # else Dramatiq would delay it in this worker's memory
        self.source = source  # the queue it was fetched from: a delayed message's differs from its own
        self.redis_id = redis_id
        self.kind: Kind | None = None  # None, if this worker does not know the actor
        self.slots: Slots | None = None  # where its slot is to be given back
        self.job_id = job_id_of(message)
        self.attempt: int = message.options.get("attempt", 0)  # the claim makes it the number of this run
        self.max_attempts: int | None = None
        self.releases = 0
        self.workflow_id: uuid.UUID | None = None
        self.time_limit = self.deadline = float("inf")  # seconds; on the event loop's clock
        self.soft_deadline = float("inf")
        self.held_since = 0.0  # on time.monotonic()'s clock
        self.claimed_at = float("inf")  # on the event loop's clock
        self.started = False
        self.committed = False
        self.ending: Ending | None = None
        self.result: str | None = None
        self.has_result = False  # its actor has said what it returns, before it did
        self.failure: Failure | None = None
        self.interrupted = ""  # why its task is cancelled
        self.reason = ""
        self.limit: Limit | None = None  # what holds for it and others together
        self.control = ""  # what somebody wants of this run: "cancel" or "pause"
        self.checkpoint = Checkpoint()
        self.retry_in: float | None = None
        self.log: LogBook | None = None  # once it has logged
        self.progress_began: tuple[float, float] | None = None  # where it began to count, and when (time.monotonic())
        self.reports_itself = False  # the actor tells its progress: its loops need not

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def free_slot(self) -> None:
        """Give its slot back, once its run is over."""
        if self.slots is not None and self.kind is not None:
            self.slots.give(self.kind)
            self.slots = None

    @property
    def is_claimed(self) -> bool:
        return self.claimed_at < float("inf")

    @property
    def failures(self) -> int:
        """How many runs before this one failed; those that a stopping worker gave back did not."""
        return self.attempt - 1 - self.releases

    @property
    def is_adopted(self) -> bool:
        """Sent by something that wrote no row: `actor.send()`, periodiq, another program."""
        return "attempt" not in self._message.options

    def __str__(self) -> str:
        """For log lines: without the arguments, which may hold secrets."""
        return f"{self.actor_name}({self.job_id}, attempt {self.attempt})"


_FOREIGN_IDS = uuid.UUID("5f2b3ad6-3c0f-5c8c-9d0b-2b7f0e6a4c11")


def job_id_of(message: Message[Any]) -> uuid.UUID:
    """The message's id; one made from it where another program's ids are no UUIDs.

    A periodic message's id is made from its actor and planned time, so that two clocks make one job.
    """
    if "scheduled_at" in message.options and "attempt" not in message.options:
        planned = planned_minute(message)
        at = str(message.options["scheduled_at"]) if planned is None else planned
        return uuid.uuid5(_FOREIGN_IDS, f"{message.actor_name}@{at}")
    try:
        return uuid.UUID(message.message_id)
    except ValueError:
        return uuid.uuid5(_FOREIGN_IDS, message.message_id)


def planned_minute(message: Message[Any] | MessageProxy) -> int | None:
    """The minute (since 1970) for which periodiq has sent it, whatever time zone the clock that did is in, and whenever
    it started; None if it is another's."""
    try:
        return int(datetime.fromisoformat(str(message.options["scheduled_at"])).timestamp() // 60)
    except (KeyError, ValueError, OverflowError):
        return None
