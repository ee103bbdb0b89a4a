"""What may be asked for a job besides its arguments."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from errors import BadRequest
from runtime import payload
from runtime.retries import LONGEST_DELAY, MOST_RETRIES

_FARTHEST = timedelta(days=3660)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be asked for besides the arguments; None leaves it to the actor."""

    queue: str | None = None
    priority: int | None = None  # lower runs first; -32768 to 32767
    delay: timedelta | None = None  # not before this much later
    run_at: datetime | None = None  # not before this moment; with a time zone
    max_retries: int | None = None
    min_backoff: int | None = None  # milliseconds
    max_backoff: int | None = None  # milliseconds
    time_limit: int | None = None  # milliseconds
    soft_time_limit: int | None = None  # milliseconds
    unique_key: str | None = None  # while a job with this key has not ended, another is not made
    unique_until: Literal["finished", "started"] | timedelta = "finished"  # or for so long, whatever becomes of it
    debounce: timedelta | None = None  # with a unique key: runs this long after the last call, with its arguments
    expires: timedelta | None = None  # not started this long after it was due: cancelled
    owner: str | None = None
    tags: Sequence[str] = ()
    parent_id: uuid.UUID | None = None  # the job that makes it

    def __post_init__(self) -> None:
        self._check_time()
        self._check_unique()
        self._check_numbers()
        self._check_texts()

    def _check_time(self) -> None:
        if self.delay is not None and self.run_at is not None:
            raise BadRequest("Give delay or run_at, not both.")
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise BadRequest("run_at has no time zone. Use datetime.now(UTC) + ... or add tzinfo.")
        wait = self.delay if self.run_at is None else self.run_at - datetime.now(UTC)
        if wait is not None and wait > _FARTHEST:
            raise BadRequest(f"{'delay' if self.run_at is None else 'run_at'} is more than {_FARTHEST.days} days away.")

    def _check_unique(self) -> None:
        for name in ("unique_until", "debounce", "expires"):
            value = getattr(self, name)
            if isinstance(value, timedelta) and not timedelta(0) < value <= _FARTHEST:
                raise BadRequest(f"{name} {value} is not between 0 and {_FARTHEST.days} days.")
        if self.unique_until not in ("finished", "started") and not isinstance(self.unique_until, timedelta):
            raise BadRequest(f"unique_until {self.unique_until!r} is none of 'finished', 'started' and a timedelta.")
        if self.unique_key is None and (self.unique_until != "finished" or self.debounce is not None):
            raise BadRequest("unique_until and debounce need a unique_key, which says which calls are the same.")
        if self.debounce is not None and (self.delay or self.run_at or self.unique_until != "finished"):
            raise BadRequest("debounce says itself when the job runs: give no delay, run_at or unique_until with it.")

    def _check_numbers(self) -> None:
        if self.priority is not None and not -32768 <= self.priority <= 32767:
            raise BadRequest(f"priority {self.priority} is not within -32768 and 32767.")
        for name in ("max_retries", "min_backoff", "max_backoff", "time_limit", "soft_time_limit"):
            value = getattr(self, name)
            most = MOST_RETRIES if name == "max_retries" else LONGEST_DELAY
            if value is not None and not 0 <= value <= most:
                raise BadRequest(f"{name} {value} is not within 0 and {most}.")

    def _check_texts(self) -> None:
        for name, text in (("unique_key", self.unique_key), ("owner", self.owner), *(("tags", t) for t in self.tags)):
            if text is not None:
                payload.check(text, name)
                if not 0 < len(text) <= 500:
                    raise BadRequest(f"{name} must have between 1 and 500 characters.")

    def of_message(self) -> dict[str, Any]:
        """Those that travel with the message, for the middleware."""
        names = ("max_retries", "min_backoff", "max_backoff", "time_limit", "soft_time_limit")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def under(self, parent: uuid.UUID) -> "Options":
        """The same, as a child of that job."""
        return replace(self, parent_id=parent)
