"""Tests of times as people type them: one rule for all commands."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.times import duration, past
from errors import BadArguments
from tests.cli.callboard import callboard


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30s", timedelta(seconds=30)), ("90m", timedelta(minutes=90)), ("12h", timedelta(hours=12)),
     ("3d", timedelta(days=3)), (" 1w ", timedelta(weeks=1))],
)  # fmt: skip
def test_how_long_ago(text: str, ago: timedelta) -> None:
    asked = datetime.now(UTC)
    assert asked - ago <= past(text, "since") <= datetime.now(UTC) - ago


def test_a_time_without_an_offset_is_this_machines() -> None:
    assert past("2026-11-25T09:30", "since") == datetime(2026, 11, 25, 9, 30).astimezone()
    assert past("2026-11-25T09:30Z", "since") == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "1.5h", "2x", "-1d", "yesterday", "999999999w", "99999999d", "٣h"])
def test_what_is_neither_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadArguments, match=r"--since .* is neither a time nor how long ago"):
        past(text, "since")


def test_a_duration_longer_than_any_calendar_is_refused() -> None:
    with pytest.raises(BadArguments, match="--in '999999999w' is no duration"):
        duration("999999999w", "in")


async def test_commands_of_webhooks_read_them_as_all_others_do() -> None:
    for command in (["recover", "01a21726-b18e-73b9-b3dd-9eb8baa75fdc"], ["replay"], ["deliveries", "list"]):
        refused = await callboard("webhooks", *command, "--since", "1.5h")
        assert (refused.code, "neither a time nor how long ago" in refused.err) == (1, True)
