"""Tests of what people type into the search box."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.search import Filter
from web.pages.query import parse

SOME = uuid.UUID(int=7)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", {}),
        ("state:failed actor:send_email", {"state": "failed", "actor": "send_email"}),
        ("order-4711", {"arguments": "order-4711"}),
        ('error:"timed out" queue:email', {"error": "timed out", "queue": "email"}),
        ("tag:a tag:b", {"tags": ("a", "b")}),
        ("type:ValueError owner:ana key:k", {"error_type": "ValueError", "owner": "ana", "unique_key": "k"}),
        ("https://example.com", {"arguments": "https://example.com"}),
        ("two words", {"arguments": "two words"}),
        (f"schedule:{SOME} workflow:{SOME}", {"schedule_id": SOME, "workflow_id": SOME}),
        ("created:<2h", {"created_after": NOW - timedelta(hours=2)}),
        ("created:>2h", {"created_before": NOW - timedelta(hours=2)}),
        ("finished:3d", {"finished_after": NOW - timedelta(days=3)}),
        (
            "created:2026-11-24",
            {"created_after": datetime(2026, 11, 24, tzinfo=UTC), "created_before": datetime(2026, 11, 25, tzinfo=UTC)},
        ),
        (
            "created:2026-11-01..2026-11-05T08:00",
            {
                "created_after": datetime(2026, 11, 1, tzinfo=UTC),
                "created_before": datetime(2026, 11, 5, 8, tzinfo=UTC),
            },
        ),
    ],
)
def test_what_is_asked_for(text: str, asked: dict[str, Any]) -> None:
    query = parse(text, NOW)
    assert query.filter == Filter(**asked)
    assert query.problems == ()


@pytest.mark.parametrize(
    "text",
    ["state:broken", "created:soon", "parent:4711", "worker:x", "schedule:nightly", "created:2026-13-40", "actor:"],
)
def test_what_is_not_understood_is_said_and_left_out(text: str) -> None:
    """Given a term that means nothing, then it is named, and the others count."""
    query = parse(f"{text} queue:email", NOW)
    assert len(query.problems) == 1
    assert query.filter == Filter(queue="email")


def test_an_id_alone_is_a_job() -> None:
    job = uuid.uuid4()
    assert parse(str(job)).job_id == job
    assert parse(f"id:{job}").job_id == job


def test_a_quote_that_is_not_closed_does_no_harm() -> None:
    assert parse('error:"timed out', NOW).filter == Filter(error="timed out")


def test_terms_come_and_go() -> None:
    query = parse('actor:send_email error:"timed out" state:failed')
    assert query.without(query.terms[1]) == "actor:send_email state:failed"
    assert query.having("state", "queued") == 'actor:send_email error:"timed out" state:queued'
    assert query.having("state", "") == 'actor:send_email error:"timed out"'


def test_a_search_asks_for_one_stretch_of_time() -> None:
    """Given a search with times, when another is chosen, then it takes their place; when any is, they are gone."""
    query = parse("created:<1h state:failed finished:<2h")
    assert query.within("finished", "<24h") == "state:failed finished:<24h"
    assert query.within("", "") == "state:failed"
