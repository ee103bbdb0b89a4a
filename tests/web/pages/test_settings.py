"""Tests of the pages of settings, without a browser."""

import csv
import html
import io
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from runtime.client import Client
from services import audit, export, keys, sessions, users
from services.callers import SCOPES
from services.masking import MASK
from tests.web.callers import BEARER, SESSION_TOKEN, caller, user

PAGES = ("users", "users/admin", "sessions", "keys", "keys/tests", "values", "retention", "alerts", "masking", "audit")
DOCUMENT = Path(__file__).parents[3] / "docs" / "accounts.md"
PHRASE = "correct-horse-battery"


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_they_are_for_administrators(app: FastAPI, role: str) -> None:
    """Given somebody who is none, then no page of settings answers, none acts, and no page leads there."""
    async with caller(app, httpx.Headers(), await user("vera", "the-session-of-vera", role)) as other:
        for page in PAGES:
            assert (await other.get(f"/settings/{page}")).status_code == 403
        for address in ("users", "keys", "users/admin/disable", "users/vera/role", "sessions/end", "keys/tests/revoke"):
            refused = await other.post(f"/settings/{address}", data={"role": "admin", "name": "x"})
            assert refused.status_code == 403, address
        assert 'href="/settings"' not in (await other.get("/")).text


async def test_the_form_of_a_key_says_of_scopes_what_the_documentation_says(person: httpx.AsyncClient) -> None:
    documented = dict(re.findall(r"^\| (\w+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE))
    page = html.unescape((await person.get("/settings/keys")).text)
    for scope in SCOPES:
        assert documented[scope].replace("`", "") in page


async def test_administrators_get_them(person: httpx.AsyncClient) -> None:
    for page in PAGES:
        answer = await person.get(f"/settings/{page}")
        assert answer.status_code == 200, answer.text
    assert 'href="/settings"' in (await person.get("/")).text
    assert (await person.get("/settings/users/nobody")).status_code == 404
    assert (await person.get("/settings/users/%00")).status_code == 422


async def test_a_user_is_made_changed_and_shut_out(person: httpx.AsyncClient, app: FastAPI, client: Client) -> None:
    """Given a new user with a session, when it is made operator and then disabled, then its session is over."""
    made = await person.post("/settings/users", data={"name": "Vera", "role": "viewer", "password": PHRASE})
    assert (made.status_code, made.headers["location"]) == (303, "/settings/users/vera")
    browser = await user("vera", "the-session-of-vera", "viewer")
    assert (await person.post("/settings/users/vera/role", data={"role": "operator"})).status_code == 303
    async with caller(app, httpx.Headers(), browser) as vera:
        assert (await vera.get("/queues/email/pause")).status_code == 200
        assert (await person.post("/settings/users/vera/disable")).status_code == 303
        assert (await vera.get("/api/v1/jobs")).status_code == 401
    assert "disabled" in (await person.get("/settings/users")).text
    assert (await person.post("/settings/users/vera/enable")).status_code == 303
    changed = await person.post("/settings/users/vera/password", data={"password": "another-phrase-entirely"})
    assert changed.status_code == 303
    async with client.session() as session:
        found = await users.get(session, "vera")
        done = {row.action for row in await audit.page(session, audit.Filter(target="vera"), limit=50)}
    assert (found.role, found.disabled_at) == ("operator", None)
    assert done == {"user.create", "user.set_role", "user.disable", "user.enable", "user.set_password"}


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "no spaces", "password": PHRASE}, "name"),
        ({"name": "admin", "password": PHRASE}, "name"),
        ({"name": "vera", "password": "short"}, "password"),
        ({"name": "vera", "password": ""}, "password"),
    ],
)
async def test_what_is_wrong_with_a_new_user_is_said_at_its_field(
    person: httpx.AsyncClient, client: Client, typed: dict[str, str], field: str
) -> None:
    page = await person.post("/settings/users", data={"role": "operator", **typed})
    assert page.status_code == 422
    assert f'id="{field}-wrong"' in page.text
    assert f'value="{typed["name"]}"' in page.text
    assert "<option selected>operator" in page.text
    async with client.session() as session:
        assert [one.name for one in await users.listed(session)] == ["admin"]


async def test_the_last_administrator_cannot_lock_itself_out(person: httpx.AsyncClient, client: Client) -> None:
    for address, data in (("disable", {}), ("role", {"role": "viewer"})):
        refused = await person.post(f"/settings/users/admin/{address}", data=data)
        assert refused.status_code == 422
        assert "the last administrator" in refused.text
    async with client.session() as session:
        found = await users.get(session, "admin")
    assert (found.role, found.disabled_at) == ("admin", None)


async def test_a_session_is_ended(person: httpx.AsyncClient, app: FastAPI, client: Client) -> None:
    """Given somebody's session, when an administrator ends it, then it opens nothing; its token is on no page."""
    browser = await user("vera", "the-session-of-vera", "viewer")
    page = (await person.get("/settings/sessions")).text
    assert "this browser" in page
    assert SESSION_TOKEN not in page
    ended = await person.post("/settings/sessions/end", data={"session": sessions.id_of("the-session-of-vera")})
    assert ended.status_code == 303
    async with caller(app, httpx.Headers(), browser) as vera:
        assert (await vera.get("/api/v1/jobs")).status_code == 401
    for odd in ("", "x", "0" * 64):
        assert (await person.post("/settings/sessions/end", data={"session": odd})).status_code == 303
    async with client.session() as session:
        (note,) = await audit.page(session, audit.Filter(action="user.end_session"), limit=5)
    assert (note.who, note.target) == ("admin", "vera")


async def test_a_key_is_shown_once(person: httpx.AsyncClient, app: FastAPI) -> None:
    """Given a new key, then the page that answers has it, no cookie does, no later page does, and it works."""
    typed = {"name": "ci", "scope": ["enqueue", "read"], "queues": "email, web-tests", "days": "30"}
    made = await person.post("/settings/keys", data=typed)
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    found = re.search(r'id="the-key">(cb_[^<]+)<', made.text)
    assert found
    secret = found[1]
    assert "set-cookie" not in made.headers
    for page in ("keys", "keys/ci", "audit"):
        assert secret not in (await person.get(f"/settings/{page}")).text
    async with caller(app, httpx.Headers({"Authorization": f"Bearer {secret}"})) as program:
        assert (await program.get("/api/v1/jobs")).status_code == 200
        rotated = await person.post("/settings/keys/ci/rotate", data={"grace": "0"})
        assert rotated.status_code == 201
        assert secret not in rotated.text
        assert (await program.get("/api/v1/jobs")).status_code == 401
    newer = re.search(r'id="the-key">(cb_[^<]+)<', rotated.text)
    assert newer
    async with caller(app, httpx.Headers({"Authorization": f"Bearer {newer[1]}"})) as program:
        assert (await program.get("/api/v1/jobs")).status_code == 200
        assert (await person.post("/settings/keys/ci/revoke")).status_code == 303
        assert (await program.get("/api/v1/jobs")).status_code == 401
    assert (await person.post("/settings/keys/ci/rotate", data={"grace": "0"})).status_code == 303


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "", "scope": ["read"]}, "name"),
        ({"name": "tests", "scope": ["read"]}, "name"),
        ({"name": "ci"}, "scopes"),
        ({"name": "ci", "scope": ["everything"]}, "scopes"),
        ({"name": "ci", "scope": ["read"], "days": "soon"}, "days"),
        ({"name": "ci", "scope": ["read"], "days": "99999"}, "days"),
        ({"name": "ci", "scope": ["read"], "queues": "x" * 501}, "queues"),
        ({"name": "ci", "scope": ["read"], "actors": ","}, "actors"),
        ({"name": "ci", "scope": ["read"], "networks": "10.0.0.0/8, 10.0.0.7/8"}, "networks"),
        ({"name": "ci", "scope": ["read"], "networks": ","}, "networks"),
    ],
)
async def test_what_is_wrong_with_a_new_key_is_said_at_its_field(
    person: httpx.AsyncClient, client: Client, typed: dict[str, str | list[str]], field: str
) -> None:
    page = await person.post("/settings/keys", data=typed)
    assert page.status_code == 422
    assert f'id="{field}-wrong"' in page.text
    async with client.session() as session:
        assert [one.name for one in await keys.listed(session)] == ["tests"]


async def test_a_key_for_some_networks_says_so(person: httpx.AsyncClient) -> None:
    """Given the form with two networks, when the key is made, then its page and the list say from where it is taken."""
    typed = {"name": "ci", "scope": ["read"], "networks": "10.0.0.0/8, 2001:db8::/32"}
    assert (await person.post("/settings/keys", data=typed)).status_code == 201
    assert "10.0.0.0/8, 2001:db8::/32</span> only" in (await person.get("/settings/keys/ci")).text
    assert ">10.0.0.0/8, 2001:db8::/32</td>" in (await person.get("/settings/keys")).text
    assert "<dt>From</dt><dd>anywhere</dd>" in (await person.get("/settings/keys/tests")).text


async def test_settings_show_no_secret(person: httpx.AsyncClient, app: FastAPI) -> None:
    password = str(app.state.settings.database_url).split("://")[1].rpartition("@")[0].partition(":")[2]
    page = (await person.get("/settings/values")).text
    assert "DATABASE_URL" in page
    assert "RETENTION_FAILED_DAYS" in page
    assert not password or password not in page


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("password", "hunter2", MASK),
        ("note", "token=abcdef", f"token={MASK}"),
        ("", '{"api_key": "k", "to": "ada"}', MASK),
        ("to", "ada@example.com", "ada@example.com"),
    ],
)
async def test_masking_is_tried(person: httpx.AsyncClient, name: str, value: str, shown: str) -> None:
    part = await person.post(
        "/settings/masking", data={"name": name, "value": value},
        headers={"HX-Request": "true", "HX-Target": "div#masked"},
    )  # fmt: skip
    assert part.status_code == 200
    assert shown in part.text
    assert "<html" not in part.text
    assert name != "password" or value not in part.text


async def test_the_audit_is_filtered_and_paged(person: httpx.AsyncClient, client: Client) -> None:
    """Given more rows than a page holds, then each filter finds its rows, and the next page the rest; secrets stay."""
    async with client.session() as session:
        for number in range(60):
            audit.note(session, "ana", "queue.pause", target=f"q{number}", details={"password": "hunter2"})
        audit.note(session, "bob", "queue.resume", target="q1", reason="<b>done</b>")
        await session.commit()
    first = (await person.get("/settings/audit?who=ana")).text
    assert first.count("queue.pause</a>") == 50
    assert "hunter2" not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = (await person.get(following[1].replace("&amp;", "&"))).text
    assert second.count("queue.pause</a>") == 10
    found = (await person.get("/settings/audit?target=q1&action=queue.resume")).text
    assert "&lt;b&gt;done" in found
    assert "ana</a></td>" not in found
    wrong = await person.get("/settings/audit?job=none")
    assert wrong.status_code == 422
    assert "not the id of a job" in wrong.text


async def test_the_audit_is_filtered_by_time_and_taken_away(person: httpx.AsyncClient, client: Client) -> None:
    """Given deeds of two days, when one of them is asked for, on the reader's clock, then page and file have
    that one alone; the file has no secret, and nothing that a spreadsheet would take for a formula."""
    async with client.session() as session:
        audit.note(session, "ana", "queue.pause", target="q1", reason="=1+1", details={"password": "hunter2"})
        audit.note(session, "bob", "queue.pause", target="q2")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute("update audit set done_at = '2026-03-01 22:30:00+00' where who = 'bob'")
        await connection.execute("update audit set done_at = '2026-03-02 00:10:00+00' where who = 'ana'")
    asked = "from=2026-03-02T01:00&to=2026-03-02T02:00&zone=Europe/Berlin"
    page = (await person.get(f"/settings/audit?{asked}")).text
    assert "q1</a>" in page
    assert "q2</a>" not in page
    assert 'value="2026-03-02T00:00"' in page  # in UTC: the script shows it on the reader's clock
    link = re.search(r'href="(/settings/audit\.csv[^"]+)"', page)
    assert link
    made = await person.get(html.unescape(link[1]))
    assert made.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.search(r'filename="audit-\d{8}T\d{6}Z-1\.csv"', made.headers["content-disposition"])
    [head, row] = list(csv.reader(io.StringIO(made.text)))
    assert head == list(export.AUDIT_COLUMNS)
    assert dict(zip(head, row, strict=True))["reason"] == "'=1+1"
    assert "hunter2" not in made.text
    assert len((await person.get("/settings/audit.csv?who=bob")).text.splitlines()) == 2
    wrong = await person.get("/settings/audit?from=yesterday")
    assert (wrong.status_code, 'id="from-wrong"' in wrong.text) == (422, True)
    assert (await person.get("/settings/audit.csv?from=yesterday")).status_code == 422


async def test_an_export_of_the_audit_ends_somewhere(client: Client) -> None:
    """Given more deeds than may be taken, then the newest are, and it says that there are more."""
    async with client.session() as session:
        for number in range(7):
            audit.note(session, "ana", "queue.pause", target=f"q{number}")
        await session.commit()
        some = await export.deeds(session, audit.Filter(who="ana"), most=5)
        whole = await export.deeds(session, audit.Filter(who="ana"), most=7)
    assert (some.rows, some.is_whole, whole.rows, whole.is_whole) == (5, False, 7, True)
    assert "q6" in some.text
    assert "q1" not in some.text


async def test_a_key_may_manage_too(app: FastAPI) -> None:
    """Given a program with an administrator's key, then it is answered as well."""
    async with caller(app, BEARER) as program:
        assert (await program.get("/settings/sessions")).status_code == 200
