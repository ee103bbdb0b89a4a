"""The arithmetic of retries, without a job: backoff, jitter and their bounds."""

import uuid
from typing import Any

import dramatiq
import pytest
from dramatiq import Actor, Message
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import Retry
from hypothesis import given
from hypothesis import strategies as st

from errors import NotSent
from runtime.delivery import Delivery
from runtime.retries import Retries

WEEK = 7 * 86_400


class Decision:
    """What the middleware makes of a failed run."""

    def __init__(self) -> None:
        self.retries = Retries()
        self.broker = StubBroker(middleware=[self.retries])

    def actor(self, **options: Any) -> Actor[Any, Any]:
        @dramatiq.actor(broker=self.broker, **options)
        def act() -> None:
            """Nothing."""

        return act

    def after(
        self, attempt: int, error: BaseException, max_attempts: int | None = 21, options: dict[str, Any] | None = None
    ) -> Delivery:
        """A delivery whose run of that number failed."""
        message: Message[Any] = Message("default", "act", (), {}, options or {}, str(uuid.uuid4()), 0)
        delivery = Delivery(message, "default", "0:0:x")
        delivery.attempt, delivery.max_attempts = attempt, max_attempts
        self.retries.after_process_message(self.broker, delivery, exception=error)
        return delivery


@pytest.fixture
def decision() -> Decision:
    return Decision()


ERROR = ValueError("no")


@given(attempt=st.integers(1, 10_000), least=st.integers(0, 10**7), most=st.integers(0, 10**10))
def test_backoff_doubles_with_jitter_and_keeps_its_bounds(attempt: int, least: int, most: int) -> None:
    """The n-th wait is min_backoff * 2**(n-1), up to half as long again, and never over max_backoff or a week."""
    decision = Decision()
    decision.actor(min_backoff=least, max_backoff=most)
    delivery = decision.after(attempt, ERROR, max_attempts=None)

    assert delivery.retry_in is not None
    whole = least * 2 ** min(attempt - 1, 32) / 1000
    limit = min(most / 1000, WEEK)
    assert min(whole, limit * 0.75) <= delivery.retry_in <= min(whole * 1.5, limit) + 1e-6
    assert not delivery.failed


def test_crowds_spread_out(decision: Decision) -> None:
    """Given a hundred jobs that failed together, then no two of them come back at the same moment."""
    decision.actor(min_backoff=1_000)
    assert len({decision.after(1, ERROR).retry_in for _ in range(100)}) > 90


def test_dramatiqs_defaults_hold(decision: Decision) -> None:
    """15 s at first, a week at most, 20 retries."""
    actor = decision.actor()
    first, last = decision.after(1, ERROR).retry_in, decision.after(20, ERROR).retry_in
    assert first is not None
    assert last is not None
    assert 15 <= first <= 22.5
    assert WEEK * 0.75 <= last <= WEEK
    assert decision.retries.max_attempts(actor, {}) == 21


def test_the_last_attempt_fails_for_good(decision: Decision) -> None:
    decision.actor()
    delivery = decision.after(3, ERROR, max_attempts=3)
    assert delivery.failed
    assert delivery.retry_in is None


def test_no_limit_of_retries_means_none(decision: Decision) -> None:
    actor = decision.actor(max_retries=None)
    assert decision.retries.max_attempts(actor, {}) is None
    assert not decision.after(10**6, ERROR, max_attempts=None).failed


def test_a_jobs_options_go_before_its_actors(decision: Decision) -> None:
    actor = decision.actor(max_retries=3, min_backoff=10_000)
    assert decision.retries.max_attempts(actor, {"max_retries": 7}) == 8
    delivery = decision.after(1, ERROR, options={"min_backoff": 1, "max_backoff": 1})
    assert delivery.retry_in is not None
    assert delivery.retry_in <= 0.001


def test_a_retry_asked_for_is_not_bound_by_the_backoff(decision: Decision) -> None:
    decision.actor(min_backoff=1, max_backoff=2)
    assert decision.after(1, Retry("later", delay=90_000)).retry_in == 90


def test_a_retry_asked_for_still_counts(decision: Decision) -> None:
    decision.actor()
    assert decision.after(3, Retry("later", delay=1), max_attempts=3).failed


def test_retry_when_gets_dramatiqs_arguments(decision: Decision) -> None:
    """The retries so far, from 0, and the error; max_retries then has no say."""
    asked: list[tuple[int, BaseException]] = []

    def retry_when(retries: int, error: BaseException) -> bool:
        asked.append((retries, error))
        return True

    decision.actor(retry_when=retry_when, max_retries=0)
    assert not decision.after(1, ERROR, max_attempts=1).failed
    assert asked == [(0, ERROR)]


@pytest.mark.parametrize("throws", [ValueError, (KeyError, ValueError)])
def test_throws_takes_one_class_or_several(decision: Decision, throws: Any) -> None:
    decision.actor(throws=throws)
    assert decision.after(1, ERROR).failed
    assert not decision.after(1, TypeError("no")).failed


def test_success_decides_nothing(decision: Decision) -> None:
    decision.actor()
    message: Message[Any] = Message("default", "act", (), {}, {}, str(uuid.uuid4()), 0)
    delivery = Delivery(message, "default", "0:0:x")
    decision.retries.after_process_message(decision.broker, delivery, result=1)
    assert not delivery.failed
    assert delivery.retry_in is None


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(None, 1, 1.5), (0.1, 1, 1.5), (90, 90, 90), (10**9, 86_400, 86_400)]
)
def test_a_refusal_that_says_when_is_not_asked_again_sooner(
    decision: Decision, asked: float | None, least: float, most: float
) -> None:
    """Retry-After wins over a shorter backoff, and over a limit of it, for a day at most."""
    decision.actor(min_backoff=1_000, max_backoff=60_000)
    delivery = decision.after(1, NotSent("Come back later.", asked))
    assert delivery.retry_in is not None
    assert least <= delivery.retry_in <= most
