"""Tests of the time range of a search, without a browser."""

import httpx
import pytest

from web.pages.between import PRESETS, of
from web.pages.query import parse


@pytest.mark.parametrize(
    ("chosen", "search"),
    [
        (
            {"what": "finished", "from": "2026-11-24T08:00", "to": "2026-11-24T09:30"},
            "state:failed finished:2026-11-24T08:00..2026-11-24T09:30",
        ),
        ({"from": "2026-11-24T08:00", "zone": "Europe/Berlin"}, "state:failed created:2026-11-24T07:00.."),
        ({"to": "2026-11-24T08:00:59"}, "state:failed created:..2026-11-24T08:00"),
        ({"from": "", "to": ""}, "state:failed"),
    ],
)
async def test_a_stretch_becomes_a_term(person: httpx.AsyncClient, chosen: dict[str, str], search: str) -> None:
    """Given a search, when a stretch of time is chosen, on the reader's clock, then it asks for that."""
    answer = await person.get("/jobs/between", params={"q": "state:failed created:<1h", **chosen})
    assert answer.status_code == 303, answer.text
    assert httpx.URL(answer.headers["location"]).params["q"] == search
    assert parse(search).problems == ()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"from": "soon"}, "From: This is no time"),
        ({"to": "99999-01-01T00:00"}, "To: This is no time"),
        ({"from": "2026-11-24T08:00", "to": "2026-11-24T08:00"}, "From: This is not before the end"),
        ({"from": "2026-11-24T08:00", "zone": "Mars"}, "is no time zone"),
    ],
)
async def test_what_is_no_stretch_of_time_is_said(person: httpx.AsyncClient, chosen: dict[str, str], said: str) -> None:
    """Given a search, when what is chosen makes no sense, then that is said, and the search is as it was."""
    answer = await person.get("/jobs/between", params={"q": "created:<1h", **chosen})
    assert httpx.URL(answer.headers["location"]).params["q"] == "created:<1h"
    assert said in (await person.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("search", "label", "name"),
    [
        ("", "Any time", "created"),
        ("state:failed", "Any time", "finished"),
        ("state:failed created:<1h", "Created: last 1 h", "created"),
        ("finished:2026-11-01..2026-11-05", "Ended: custom", "finished"),
    ],
)
def test_what_is_asked_for_is_said(search: str, label: str, name: str) -> None:
    found = of(parse(search))
    assert (found.label, found.name) == (label, name)


def test_the_fields_hold_what_is_asked_for() -> None:
    found = of(parse("finished:2026-11-01..2026-11-05T08:00"))
    assert (found.start, found.end) == ("2026-11-01T00:00", "2026-11-05T08:00")


@pytest.mark.parametrize("value", PRESETS)
def test_what_is_offered_is_understood(value: str) -> None:
    query = parse(f"created:{value}")
    assert query.problems == ()
    assert query.filter.created_after is not None
