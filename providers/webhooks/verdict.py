"""What a receiver's answer means, and when the next attempt is due."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from errors import DeliveryError
from providers.http import Response, retry_after

MOST_FREE = 50  # attempts that were put off on the receiver's word and do not count; after that they do
_OVERLOADED = 30.0  # seconds of quiet for an endpoint that does not say how long it wants
_TOO_MANY = 60.0
_NO_PROXY = 60.0  # seconds until our own proxy is tried again

Ending = Literal["succeeded", "gone", "aborted"]


@dataclass(frozen=True)
class Verdict:
    """What follows from an attempt."""

    ending: Ending | None = None  # None: it failed, and the schedule goes on
    counts: bool = True  # as one of the schedule's failures
    hint: float | None = None  # seconds that the receiver wants to wait at least
    quiet: float | None = None  # seconds in which the whole endpoint gets nothing
    disable: str | None = None  # why the endpoint is to be disabled


def judge(answer: Response | DeliveryError, now: datetime) -> Verdict:
    """By status and headers, as the Standard Webhooks specification has it; `webhook-delivery` is a receiver's wish:
    `disable` for the endpoint, `abort-message` for this message."""
    if isinstance(answer, DeliveryError):
        return Verdict(counts=False, hint=_NO_PROXY) if answer.code == "proxy" else Verdict()
    wish = (answer.header("webhook-delivery") or "").strip().lower()
    disable = "The endpoint asked for it (webhook-delivery: disable)." if wish == "disable" else None
    if answer.is_success:
        return Verdict("succeeded", counts=False, disable=disable)
    if answer.status == 410:
        return Verdict("gone", disable="The endpoint is gone (410).")
    if wish in ("disable", "abort-message"):
        return Verdict("aborted", disable=disable)
    return _put_off(answer, now)


def _put_off(answer: Response, now: datetime) -> Verdict:
    asked = retry_after(answer.header("retry-after"), now) if answer.status in (429, 503) else None
    if answer.status == 429:
        return Verdict(counts=False, hint=asked, quiet=_TOO_MANY if asked is None else asked)
    if answer.status == 503 and asked is not None:
        return Verdict(counts=False, hint=asked, quiet=asked)
    return Verdict(quiet=_OVERLOADED if answer.status in (502, 503, 504) else None)


def next_delay(schedule: Sequence[float], failures: int, hint: float | None) -> float | None:
    """Seconds until the next attempt after so many failures that count; None when the schedule is over.

    Jitter only ever adds, up to a fifth: never sooner than promised, nor than the receiver asked for.
    """
    if failures > len(schedule):
        return None
    step = schedule[max(0, failures - 1)]
    return max(step, hint or 0.0) * random.uniform(1, 1.2)  # noqa: S311 (jitter, not a secret)
