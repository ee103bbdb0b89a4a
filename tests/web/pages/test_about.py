"""Tests of Settings' pages about the installation: versions, retention, alerts, without a browser."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from db.models import Email
from runtime.client import Client
from runtime.version import VERSION
from services import alerts, audit, webhook
from settings import settings
from tests.web.callers import caller, user


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_everybody_is_told_which_versions_run(app: FastAPI, client: Client, role: str) -> None:
    """Given somebody who is no administrator, then the page names versions, migration, the store and licences, and is
    linked; the other pages of settings stay shut."""
    browser = await user("vera", "the-session-of-vera", role)
    async with caller(app, httpx.Headers(), browser) as vera:
        page = (await vera.get("/settings/about")).text
        assert f'id="version">{VERSION}<' in page
        for said in ("PostgreSQL", "migration", "0BSD", "htmx.min.js", "webhook_deliveries"):
            assert said in page
        assert 'href="/settings/users"' not in page
        assert 'href="/settings/about"' in (await vera.get("/")).text
        assert (await vera.get("/settings/retention")).status_code == 403
        assert (await vera.get("/settings/alerts")).status_code == 403
        assert (await vera.post("/settings/alerts/test")).status_code == 403


async def test_programs_are_told_too(program: httpx.AsyncClient) -> None:
    document = (await program.get("/api/v1/about")).json()
    assert document["callboard"] == VERSION
    assert document["revision"] == document["wanted_revision"]
    assert document["bytes"] > 0
    assert {"jobs", "audit"} <= {table["name"] for table in document["tables"]}


async def test_a_check_of_health_is_shown(person: httpx.AsyncClient, client: Client) -> None:
    assert "Nobody has looked for ten minutes" in (await person.get("/settings/about")).text
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into health_checks (status, reasons, measures, told, previous) values"
            """ ('critical', '["No scheduler leads."]', '{"connections": 17}', 'critical', 'healthy')"""
        )
    page = (await person.get("/settings/about")).text
    assert "No scheduler leads." in page
    assert "<dd>17</dd>" in page


async def test_retention_names_its_rules_and_their_cost(person: httpx.AsyncClient, client: Client) -> None:
    """Given jobs that ended and one that cleaned up, when the tables are analyzed, then each rule says how many there
    are, what they take, and when its job ran last."""
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, started_at, finished_at)"
            " select gen_random_uuid(), case n when 1 then 'cleanup_completed_jobs' else 'a' end, 'q', '[]', '{}',"
            " 'succeeded', 1, 1, now(), now() from generate_series(1, 40) n"
        )
        await connection.execute(
            "insert into webhook_messages (id, body) select gen_random_uuid(), '{}' from generate_series(1, 3)"
        )
        await connection.execute("analyze jobs, emails, webhook_messages")
    page = (await person.get("/settings/retention")).text
    rows = page.split("<tr>")
    succeeded = next(row for row in rows if "Jobs that succeeded" in row)
    assert ">40<" in succeeded
    assert "RETENTION_SUCCEEDED_DAYS" in succeeded
    assert 'href="/actors/cleanup_completed_jobs"' in succeeded
    assert "ago</time>" in succeeded
    assert "EMAIL_CONTENT_DAYS" in page
    assert "none leads" in next(row for row in rows if "History of schedules" in row)


@pytest.fixture
def anew() -> Iterator[None]:
    """The settings of this process are read anew, once a test has asked for it, and after it."""
    yield
    settings.cache_clear()


@pytest.fixture
def told(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts go to an address, to one that is none, and to a URL whose path is a secret."""
    monkeypatch.setenv("ALERT_RECIPIENTS", "ops@example.com, nonsense")
    monkeypatch.setenv("ALERT_WEBHOOKS", "https://hooks.example.com/T0/secretpath")
    settings.cache_clear()


async def test_a_test_alert_goes_out_and_its_outcome_is_shown(
    told: None, person: httpx.AsyncClient, client: Client
) -> None:
    """Given three channels, one of which cannot be, when a test is sent twice, then mails and messages wait to leave
    each time, the audit has who did it, and the page shows what became of the last one, the secret nowhere."""
    page = (await person.get("/settings/alerts")).text
    assert "left out" in page
    assert "https://hooks.example.com/********" in page
    for _ in range(2):
        assert (await person.post("/settings/alerts/test")).status_code == 303
    async with client.session() as session:
        notes = await audit.page(session, audit.Filter(action="alert.test"), limit=5)
        deliveries = await webhook.deliveries(session)
        mails = list(await session.scalars(select(Email)))
    assert [note.who for note in notes] == ["admin", "admin"]
    assert (len(deliveries), [one.addresses for one in mails]) == (2, [["ops@example.com"]] * 2)
    newest = max(mails, key=lambda one: one.id)
    async with client.database.connection() as connection:
        await connection.execute(
            "update emails set status = 'rejected', error = 'no such user' where id = $1", newest.id
        )
    page = (await person.get("/settings/alerts")).text
    assert f"/deliveries/emails/{newest.id}" in page
    assert f"/deliveries/webhooks/{deliveries[0].id}" in page
    assert "no such user" in page
    assert "secretpath" not in page


@pytest.mark.parametrize(
    "url", ["nonsense", "http://[x", "https://ada:hunter2@example.com", "https://h.example.com/hunter2"]
)
async def test_no_address_is_shown_whole_that_may_be_a_secret(
    anew: None, person: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOKS", url)
    settings.cache_clear()
    page = await person.get("/settings/alerts")
    assert page.status_code == 200
    assert "hunter2" not in page.text
    assert "********" in page.text or "https://example.com<" in page.text


async def test_without_channels_no_test_is_sent(person: httpx.AsyncClient, client: Client) -> None:
    page = (await person.get("/settings/alerts")).text
    assert "Nobody is told" in page
    assert "Send a test" not in page
    refused = await person.post("/settings/alerts/test", follow_redirects=True)
    assert "Nobody would hear of it" in refused.text
    async with client.session() as session:
        assert await audit.page(session, audit.Filter(action="alert.test"), limit=5) == []


async def test_what_was_sent_lately_is_listed(person: httpx.AsyncClient, client: Client) -> None:
    async with client.session() as session:
        for _ in range(3):
            await alerts.notify(session, "error", "The queue <b>stands</b> still", "since noon")
        await session.commit()
    page = (await person.get("/settings/alerts")).text
    assert "The queue &lt;b&gt;stands&lt;/b&gt; still" in page
    assert re.search(r'<td class="number shrink">2</td>', page)
