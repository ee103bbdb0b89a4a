"""Tests of how values look on a page."""

from datetime import UTC, datetime

import pytest
from markupsafe import Markup

from web.pages import formats
from web.pages.tree import tree


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0.0034, "3 ms"),
        (4.23, "4.2 s"),
        (42.0, "42 s"),
        (90.0, "1.5 min"),
        (7200.0, "2.0 h"),
        (9e5, "10 d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


def test_a_time_is_written_in_utc_for_the_script_to_translate() -> None:
    shown = formats.when(datetime(2026, 11, 25, 8, 30, tzinfo=UTC), "moment")
    assert 'datetime="2026-11-25T08:30:00.000Z"' in shown
    assert "2026-11-25 08:30:00 UTC</time>" in shown


def test_json_is_escaped_and_cut() -> None:
    """Given JSON with markup in keys and texts, and more than can be shown, then nothing of it becomes markup."""
    shown = tree({"<b>": ["<script>alert(1)</script>", None, True, 12.5], "long": "x" * 5_000, "many": [1] * 600})
    assert isinstance(shown, Markup)
    assert "<b>" not in shown
    assert "<script>" not in shown
    assert "5,000 characters in all" in shown
    assert "100 more" in shown


def test_a_badge_says_its_state_in_a_word() -> None:
    assert "failed" in formats.badge("failed")
    assert "&lt;i&gt;" in formats.badge("<i>")
