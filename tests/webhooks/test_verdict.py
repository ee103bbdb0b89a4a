"""What answers mean, and when the next attempt is due."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import Ambiguous, NotSent
from providers.http import Response, retry_after
from providers.webhooks.verdict import Verdict, judge, next_delay
from settings import Settings

NOW = datetime(2015, 10, 21, 7, 26, tzinfo=UTC)
SPECIFIED = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


def answer(status: int, **headers: str) -> Response:
    return Response(status, [(name.replace("_", "-"), value) for name, value in headers.items()], b"", False, None)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert judge(answer(status), NOW).ending == "succeeded"


@pytest.mark.parametrize("status", [301, 304, 307, 400, 401, 404, 500, 502, 503, 504])
def test_anything_else_is_a_failure_that_is_tried_again(status: int) -> None:
    verdict = judge(answer(status), NOW)
    assert (verdict.ending, verdict.counts, verdict.disable) == (None, True, None)


def test_an_answer_that_was_lost_is_a_failure() -> None:
    assert judge(Ambiguous("lost", code="reset"), NOW) == Verdict()


def test_a_proxy_of_ours_that_fails_is_no_failure_of_the_receivers() -> None:
    verdict = judge(NotSent("no proxy", code="proxy"), NOW)
    assert (verdict.ending, verdict.counts, verdict.quiet) == (None, False, None)


def test_gone_ends_the_delivery_and_the_endpoint() -> None:
    verdict = judge(answer(410), NOW)
    assert verdict.ending == "gone"
    assert verdict.disable


def test_too_many_requests_slows_the_whole_endpoint_down_and_does_not_count() -> None:
    verdict = judge(answer(429, Retry_After="120"), NOW)
    assert (verdict.counts, verdict.hint, verdict.quiet) == (False, 120, 120)
    assert judge(answer(429), NOW).quiet == 60


def test_retry_after_is_heard_on_503_and_nowhere_else() -> None:
    verdict = judge(answer(503, Retry_After="120"), NOW)
    assert (verdict.counts, verdict.hint, verdict.quiet) == (False, 120, 120)
    assert judge(answer(503), NOW).counts
    assert judge(answer(500, Retry_After="120"), NOW).hint is None


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_overloaded_endpoint_gets_some_quiet(status: int) -> None:
    assert judge(answer(status), NOW).quiet


@pytest.mark.parametrize(
    ("status", "wish", "ending", "disables"),
    [
        (500, "abort-message", "aborted", False),
        (500, "disable", "aborted", True),
        (200, "abort-message", "succeeded", False),
        (200, "disable", "succeeded", True),
        (500, "something-else", None, False),
    ],
)
def test_the_receiver_may_say_what_it_wants(status: int, wish: str, ending: str | None, disables: bool) -> None:
    verdict = judge(answer(status, webhook_delivery=wish), NOW)
    assert (verdict.ending, verdict.disable is not None) == (ending, disables)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), ("120.1", 121), ("120.6", 121), ("120.0", 120), ("Wed, 21 Oct 2015 07:28:00 GMT", 120),
        ("invalid", None), (None, None), ("-5", 0), ("1e99", 86_400), ("nan", None), ("inf", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", None),
        ("Wed, 21 Oct 2015 07:20:00 GMT", 0), ("Wed, 99 Oct 2015 07:28:00 GMT", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after_as_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_the_schedule_is_the_specifications() -> None:
    default = Settings.model_fields["webhook_schedule"].default
    assert [float(step) for step in default] == SPECIFIED
    assert next_delay(SPECIFIED, len(SPECIFIED) + 1, None) is None


@given(failures=st.integers(min_value=1, max_value=9), hint=st.none() | st.floats(min_value=0, max_value=86_400))
def test_no_attempt_is_sooner_than_promised_or_asked_for(failures: int, hint: float | None) -> None:
    delay = next_delay(SPECIFIED, failures, hint)
    promised = max(SPECIFIED[failures - 1], hint or 0)
    assert delay is not None
    assert promised <= delay <= promised * 1.2


_DATES = st.from_regex(r"\A\w{3}, [0-9]{1,3} (Jan|Oct) [0-9]{1,25} [0-9:]{1,20} (GMT|[+-]?[0-9]{1,25})\Z")


@given(st.text() | _DATES | st.none())
def test_no_header_whatever_breaks_the_reading(header: str | None) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= 86_400
