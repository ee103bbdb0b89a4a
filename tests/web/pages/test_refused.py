"""Tests of what a person's browser is shown where a program gets a problem document."""

import httpx

from tests.web.callers import assert_problem

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def test_a_browser_gets_a_page_and_a_program_a_document(person: httpx.AsyncClient) -> None:
    """Given an address where nothing is, then a browser is shown a page, and whoever does not ask for one, nor asks for
    pages at all, gets the document."""
    page = await person.get("/nothing", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "Not Found" in page.text
    assert_problem(await person.get("/nothing"), 404)
    assert_problem(await person.get("/api/v1/nothing", headers=BROWSER), 404)


async def test_a_part_of_a_page_says_why_it_is_not_there(person: httpx.AsyncClient) -> None:
    """Given a page's script that asks for what it may not have, then it gets a sentence to show in that place."""
    part = await person.get("/?period=never", headers={**BROWSER, "HX-Request": "true", "HX-Target": "div#now"})
    assert part.status_code == 422
    assert "<html" not in part.text
    assert 'role="status"' in part.text
