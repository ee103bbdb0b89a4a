"""Tests of the overview without a browser."""

import httpx
import pytest

from runtime.client import Client
from tests.web.pages import rows


@pytest.mark.parametrize("block", ["now", "charts"])
async def test_a_part_is_refreshed_alone(program: httpx.AsyncClient, block: str) -> None:
    """Given an open page, when its script asks for a part of it, then it gets that part and nothing around it."""
    part = await program.get("/", headers={"HX-Request": "true", "HX-Target": f"div#{block}"})
    assert part.status_code == 200, part.text
    assert "<html" not in part.text
    whole = await program.get("/")
    assert f'id="{block}"' in whole.text
    assert "<html" in whole.text


async def test_who_fails_most_is_named(program: httpx.AsyncClient, client: Client) -> None:
    """Given two actors of which one has failures, then that one is named with its share of failures."""
    assert "Most failing actors" not in (await program.get("/")).text
    await rows.counted(client, "send_email", "email", 1, 30)
    await rows.counted(client, "send_email", "email", 2, 10)
    await rows.counted(client, "resize_image", "images", 1, 5)
    page = (await program.get("/")).text
    table = page[page.index("Most failing actors") : page.index("Slowest actors")]
    assert "10 of 40" in table
    assert "25.0 %" in table
    assert "resize_image" not in table


async def test_an_unknown_period_is_refused(program: httpx.AsyncClient) -> None:
    assert (await program.get("/?period=soon")).status_code == 422
