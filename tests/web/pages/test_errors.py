"""Tests of the issue that a group of errors is linked to."""

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services import audit
from tests.web.callers import assert_problem, caller, user
from tests.web.pages.rows import FINGERPRINT, error_group

ISSUE = "https://issues.example.com/browse/JOB-7?view=all&x=1"


async def test_an_error_is_linked_to_an_issue_and_taken_off_it(person: httpx.AsyncClient, client: Client) -> None:
    """Given a group of errors, when an issue is linked, another one, and then taken off, then the list and the page
    show each while it is linked, a browser is told not to say where it came from, and the audit has what was before."""
    await error_group(client)
    address = f"/errors/{FINGERPRINT}"
    assert (await person.post(f"{address}/issue", data={"url": f" {ISSUE} "})).headers["location"] == address
    shown = ISSUE.replace("&", "&amp;")
    assert f'<a href="{shown}" rel="noreferrer">{shown}</a>' in (await person.get(address)).text
    assert f'<a href="{shown}" rel="noreferrer">{shown[8:]}</a>' in (await person.get("/errors")).text

    await person.post(f"{address}/issue", data={"url": "http://[2001:db8::7]:8080/8"})
    assert ISSUE not in (await person.get(address)).text
    await person.post(f"{address}/issue/remove")
    for page in (address, "/errors"):
        assert "noreferrer" not in (await person.get(page)).text

    async with client.session() as session:
        rows = await audit.page(session, audit.Filter(target=FINGERPRINT), limit=5)
    assert [(row.who, row.action, row.details) for row in reversed(rows)] == [
        ("admin", "error.link", {"before": None, "after": ISSUE}),
        ("admin", "error.link", {"before": ISSUE, "after": "http://[2001:db8::7]:8080/8"}),
        ("admin", "error.unlink", {"before": "http://[2001:db8::7]:8080/8", "after": None}),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "", "JOB-7", "issues.example.com/7", "//issues.example.com/7", "javascript:alert(1)", "ftp://example.com/7",
        "https://", "https:///7", "https://:443/7", "https://example.com:port/7", "https://[::1/7", "https://a b.com/7",
        "https://example.com\\@evil.example/7", "java\nscript:alert(1)", "https://example.com/\t7",
        "https://example.com/\u202e7", "https://example.com/\x007", "https://ada@example.com/7",
        "https://ada:secret@example.com/7", "https://example.com/7?access_token=abcdef", "https://x.com/" + "7" * 500,
    ],
)  # fmt: skip
async def test_what_is_no_address_of_an_issue_is_said_at_its_field(
    person: httpx.AsyncClient, client: Client, url: str
) -> None:
    await error_group(client)
    refused = await person.post(f"/errors/{FINGERPRINT}/issue", data={"url": url})
    assert refused.status_code == 422
    assert 'id="url-wrong"' in refused.text
    assert "noreferrer" not in (await person.get("/errors")).text


async def test_only_who_operates_links_an_issue(app: FastAPI, client: Client) -> None:
    """Given a linked issue and somebody who only looks, then the page shows the issue and no form, and refuses both."""
    await error_group(client, issue=ISSUE)
    address = f"/errors/{FINGERPRINT}"
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        page = (await viewer.get(address)).text
        assert "noreferrer" in page
        assert f"{address}/issue" not in page
        assert_problem(await viewer.post(f"{address}/issue", data={"url": ISSUE}), 403)
        assert_problem(await viewer.post(f"{address}/issue/remove"), 403)


async def test_an_error_that_was_forgotten_has_no_issue(person: httpx.AsyncClient) -> None:
    for to in ("issue", "issue/remove"):
        missing = await person.post(f"/errors/{FINGERPRINT}/{to}", data={"url": ISSUE})
        assert missing.status_code == 404
