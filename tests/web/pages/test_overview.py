"""Tests of the overview without a browser."""

import httpx
import pytest


@pytest.mark.parametrize("block", ["now", "charts"])
async def test_a_part_is_refreshed_alone(program: httpx.AsyncClient, block: str) -> None:
    """Given an open page, when its script asks for a part of it, then it gets that part and nothing around it."""
    part = await program.get("/", headers={"HX-Request": "true", "HX-Target": f"div#{block}"})
    assert part.status_code == 200, part.text
    assert "<html" not in part.text
    whole = await program.get("/")
    assert f'id="{block}"' in whole.text
    assert "<html" in whole.text


async def test_an_unknown_period_is_refused(program: httpx.AsyncClient) -> None:
    assert (await program.get("/?period=soon")).status_code == 422
