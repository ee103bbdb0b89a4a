"""A job's life as stretches of time: waiting, running, between two attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from db.models import Job, JobAttempt


@dataclass(frozen=True)
class Stretch:
    kind: str  # "waiting", "running", "failed", "succeeded", "backoff", "cancelled"
    label: str
    start: datetime
    end: datetime
    x: float = 0.0  # of 1000, where it is drawn
    width: float = 0.0

    @property
    def seconds(self) -> float:
        return max(0.0, (self.end - self.start).total_seconds())


_LEAST = 12.0  # of 1000: what is too short to be seen is drawn so wide


def timeline(
    job: Job, attempts: Sequence[JobAttempt], now: datetime | None = None, *, is_whole: bool = True
) -> list[Stretch]:
    """From its creation, or if these are not all attempts from the first of them, to its end, or to now."""
    now = now or datetime.now(UTC)
    stretches: list[Stretch] = []
    at = job.created_at if is_whole else attempts[0].started_at
    for attempt in attempts:
        _add(stretches, "waiting" if not stretches else "backoff", at, attempt.started_at)
        stretches.append(Stretch("failed", f"attempt {attempt.attempt}", attempt.started_at, attempt.ended_at))
        at = attempt.ended_at
    is_listed = bool(attempts) and attempts[-1].attempt == job.attempt
    if job.started_at is not None and not is_listed and job.started_at >= at and job.state not in ("queued", "waiting"):
        _add(stretches, "waiting" if not stretches else "backoff", at, job.started_at)
        kind = job.state if job.state in ("succeeded", "cancelled", "failed") else "running"
        stretches.append(Stretch(kind, f"attempt {job.attempt}", job.started_at, job.finished_at or now))
    elif job.finished_at is None:
        _add(stretches, "waiting" if not stretches else "backoff", at, max(now, at))
    elif job.finished_at > at:
        _add(stretches, "waiting", at, job.finished_at)
    return _placed(stretches)


def _add(stretches: list[Stretch], kind: str, start: datetime, end: datetime) -> None:
    if end > start:
        stretches.append(Stretch(kind, {"waiting": "waiting", "backoff": "until the next attempt"}[kind], start, end))


def _placed(stretches: list[Stretch]) -> list[Stretch]:
    """Side by side; each at least wide enough to be seen."""
    total = sum(stretch.seconds for stretch in stretches) or 1.0
    room = max(0.0, 1000 - _LEAST * len(stretches))
    placed, x = [], 0.0
    for stretch in stretches:
        width = _LEAST + room * stretch.seconds / total
        placed.append(Stretch(stretch.kind, stretch.label, stretch.start, stretch.end, x, width))
        x += width
    return placed
