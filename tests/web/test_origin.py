"""Other sites' pages may not act through a visitor's browser."""

import httpx
import pytest

from tests.web.callers import ORIGIN, assert_problem

JOB = {"actor": "welcome", "args": ["Ada"]}

OURS = {
    "a program": {},
    "our own page": {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN},
    "typed by the user": {"Sec-Fetch-Site": "none"},
    "our own page over plain HTTP": {"Origin": ORIGIN},
}
THEIRS = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another host of our domain": {"Sec-Fetch-Site": "same-site"},
    "unknown word": {"Sec-Fetch-Site": "friend"},
    "another site that forges Origin": {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    "another site over plain HTTP": {"Origin": "http://elsewhere.test"},
    "another port": {"Origin": f"{ORIGIN}:81"},
    "a sandboxed frame": {"Origin": "null"},
}


@pytest.mark.parametrize("headers", OURS.values(), ids=OURS.keys())
async def test_our_own_pages_and_programs_may_act(program: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await program.post("/api/v1/jobs", json=JOB, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("headers", THEIRS.values(), ids=THEIRS.keys())
async def test_other_sites_may_not_act(program: httpx.AsyncClient, headers: dict[str, str]) -> None:
    # When another site's page posts with the visitor's token
    response = await program.post("/api/v1/jobs", json=JOB, headers=headers)

    # Then it is refused, and nothing is written
    assert_problem(response, 403)
    assert (await program.get("/api/v1/jobs")).json()["jobs"] == []


@pytest.mark.parametrize("headers", THEIRS.values(), ids=THEIRS.keys())
async def test_a_link_from_another_site_opens(program: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await program.get("/api/v1/jobs", headers=headers)).status_code == 200
