"""Tests of the pages of e-mails and webhooks, without a browser."""

import httpx
import orjson
import pytest
from fastapi import FastAPI

from providers.webhooks.signing import new_secret, sign
from runtime.client import Client
from services import email, webhook
from tests.web.callers import caller, user
from tests.web.pages import mail

ACCEPT = {"Accept": "text/html"}


async def test_mails_are_found_by_what_is_known_of_them(program: httpx.AsyncClient, client: Client) -> None:
    """Given two mails, then each filter finds the one that it fits, and what fits none says so."""
    made = await mail.fill(client)
    unknown, queued = f'id="m{made.unknown}"', f'id="m{made.queued}"'
    everything = (await program.get("/deliveries")).text
    assert unknown in everything
    assert queued in everything
    for query, found in (("status=unknown", unknown), ("address=EVE@example.com", queued), ("period=24h", unknown)):
        page = (await program.get(f"/deliveries/emails?{query}")).text
        assert found in page, query
    assert queued not in (await program.get("/deliveries/emails?status=unknown")).text
    for query in ("tag=nobody", "template=receipt", "answer=552"):
        assert "None fits" in (await program.get(f"/deliveries/emails?{query}")).text
    assert (await program.get("/deliveries/emails?status=lost", headers=ACCEPT)).status_code == 422


async def test_the_html_of_a_mail_can_do_nothing(program: httpx.AsyncClient, client: Client) -> None:
    """Given a mail, then its HTML is sent sandboxed and only a page of ours may frame it."""
    made = await mail.fill(client)
    page = await program.get(f"/deliveries/emails/{made.unknown}")
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert 'sandbox=""' in page.text
    assert "hunter2" not in page.text
    frame = await program.get(f"/deliveries/emails/{made.unknown}/html")
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "script-src" not in policy
    assert "Curtain" in frame.text


async def test_a_mail_that_the_settings_do_not_let_be_written_is_shown_all_the_same(
    program: httpx.AsyncClient, client: Client
) -> None:
    """Given a mail of a mailing list, and no PUBLIC_URL any more, then its page says so, and its frame."""
    made = await mail.fill(client)
    async with client.database.connection() as connection:
        await connection.execute("update emails set mailing_list = 'news' where id = $1", made.unknown)
    for place in ("", "/html"):
        shown = await program.get(f"/deliveries/emails/{made.unknown}{place}")
        assert shown.status_code == 200
        assert "PUBLIC_URL is not set" in shown.text


async def test_a_mail_is_sent_again_only_once(person: httpx.AsyncClient, client: Client) -> None:
    """Given a mail of which nobody knows, when it is sent again twice, then the second time is refused in words."""
    made = await mail.fill(client)
    here = f"/deliveries/emails/{made.unknown}"
    assert "Send it again to 1 recipient?" in (await person.get(f"{here}/resend")).text
    assert (await person.post(f"{here}/resend", data={"reason": "the log has nothing"})).headers["location"] == here
    async with client.session() as session:
        found = await email.get(session, made.unknown)
    assert (found.status, found.job_id != made.unknown) == ("queued", True)
    await person.post(f"{here}/resend")
    assert "can be sent again while" in (await person.get(here)).text


async def test_a_viewer_sees_no_address(app: FastAPI, program: httpx.AsyncClient, client: Client) -> None:
    """Given mails and a suppressed address, then who only looks sees of each address the first letter and where it is;
    an operator sees it whole."""
    made = await mail.fill(client)
    here = f"/deliveries/emails/{made.unknown}"
    async with caller(app, httpx.Headers(ACCEPT), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for path, whole, shown in (
            ("/deliveries", "ada@example.com", "a…@example.com"),
            (here, "ada@example.com", "a…@example.com"),
            (f"/deliveries/emails/{made.queued}", "eve@example.com", "e…@example.com"),
            ("/deliveries/suppressions", "gone@example.com", "g…@example.com"),
        ):
            page = (await viewer.get(path)).text
            assert shown in page, path
            assert whole not in page, path
            assert whole in (await program.get(path)).text, path


async def test_addresses_are_held_back_and_released(person: httpx.AsyncClient) -> None:
    there = "/deliveries/suppressions"
    refused = await person.post(there, data={"address": "nobody", "note": "typed"})
    assert refused.status_code == 422
    assert 'value="typed"' in refused.text
    assert 'aria-invalid="true"' in refused.text
    assert (await person.post(there, data={"address": "Ada@example.com"})).status_code == 303
    assert "ada@example.com" in (await person.get(there)).text
    question = await person.get(f"{there}/remove?address=ada@example.com&reason=manual")
    assert "Remove 1 entry" in question.text
    done = await person.post(f"{there}/remove", data={"address": "ada@example.com", "reason": "manual"})
    assert done.status_code == 303
    assert "No address is suppressed" in (await person.get(there)).text


async def test_a_template_is_previewed(program: httpx.AsyncClient) -> None:
    """Given our own template, then data that does not fit is an error at its field."""
    assert "alert" in (await program.get("/deliveries/templates")).text
    for data in ("{", "[]", "{}"):
        wrong = await program.get("/deliveries/templates", params={"name": "alert", "data": data})
        assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True), data


async def test_an_attempt_is_shown_as_it_was(program: httpx.AsyncClient, client: Client) -> None:
    """Given a delivery that failed twice, then its page has both, the signature, and the answer as inert text."""
    made = await mail.fill(client)
    page = (await program.get(f"/deliveries/webhooks/{made.delivery}")).text
    for text in ("Attempt 1", "Attempt 2", "v1,c2lnbmF0dXJl", "&lt;b&gt;it broke&lt;/b&gt;", "--data-binary", "16 KiB",
                 "DNS 3 ms · connecting 9 ms · TLS 28 ms · sending 0 ms · waiting 80 ms"):  # fmt: skip
        assert text in page, text
    assert "session=abc" not in page
    listed = (await program.get("/deliveries/webhooks?outcome=exhausted&event_type=webhook.test&period=24h")).text
    assert f'id="d{made.delivery}"' in listed
    pending = await program.get("/deliveries/webhooks", params={"outcome": "pending", "endpoint": str(made.endpoint)})
    assert "None fits" in pending.text


async def test_deliveries_are_sent_again(person: httpx.AsyncClient, client: Client) -> None:
    """Given a failed delivery, when all that failed are sent again, then the number is asked about and a job does it;
    when the one is, then there is a new delivery."""
    made = await mail.fill(client)
    question = await person.get("/deliveries/webhooks/replay?period=24h")
    assert "Send 1 delivery again?" in question.text
    started = await person.post("/deliveries/webhooks/replay", data={"rate": "5"})
    assert started.headers["location"].startswith("/jobs/")
    again = await person.post(f"/deliveries/webhooks/{made.delivery}/replay")
    new = again.headers["location"].rpartition("/")[2]
    assert new != str(made.delivery)
    assert "Sent again from" in (await person.get(again.headers["location"])).text
    assert "Send 0 deliveries again?" in (await person.get("/deliveries/webhooks/replay")).text


async def test_an_endpoint_from_its_form_to_its_end(person: httpx.AsyncClient, client: Client) -> None:
    """Given the form, then errors stand at their fields and the secret is shown once; then it is changed, tested,
    disabled with a reason, and enabled."""
    home = "/deliveries/endpoints"
    typed = {"url": "https://example.com/a", "description": "Orders", "headers": "X-Team: one", "timeout": "5",
             "schedule": "5, 3600"}  # fmt: skip
    for field, value in (
        ("url", "ftp://example.com"), ("timeout", "soon"), ("rate", "0"), ("headers", "nonsense"),
        ("owner_email", "me"), ("schedule", "5, soon"), ("schedule", "5, 0.5"),
    ):  # fmt: skip
        refused = await person.post(home, data=typed | {field: value})
        assert (refused.status_code, f'id="w-{field}-wrong"' in refused.text) == (422, True), field
        assert 'value="Orders"' in refused.text
    made = await person.post(home, data=typed)
    assert "whsec_" in made.text
    async with client.session() as session:
        [endpoint] = await webhook.endpoints(session)
    here = f"{home}/{endpoint.id}"
    assert "https://example.com/a" in (await person.get(home)).text
    changed = await person.post(f"{here}/edit", data=typed | {"headers": "", "event_type": "webhook.test"})
    assert changed.headers["location"] == here
    page = (await person.get(here)).text
    assert "X-Team" in page  # kept
    form = (await person.get(f"{here}/edit")).text
    assert 'value="webhook.test" checked' in form
    assert 'value="5, 3600"' in form
    assert (await person.post(f"{here}/test")).status_code == 303
    assert "webhook.test" in (await person.get(here)).text
    assert "whsec_" in (await person.post(f"{here}/rotate", data={"keep_hours": "1"})).text
    recover = await person.get(f"{here}/recover?hours=24")
    assert "Send 0 deliveries again?" in (await person.get(recover.headers["location"])).text
    assert "1 delivery" in (await person.get(f"{here}/disable")).text
    await person.post(f"{here}/disable", data={"reason": "it moved"})
    assert "it moved" in (await person.get(here)).text
    await person.post(f"{here}/enable")
    assert "healthy" in (await person.get(here)).text


async def test_an_endpoint_is_deleted_after_a_question(person: httpx.AsyncClient, client: Client) -> None:
    """Given an endpoint with three deliveries that wait, one of them for two days, then the question names it and them;
    when it is answered, then the endpoint is gone, a job is to take its record away, and the audit has who did it."""
    async with client.session() as session:
        fields = webhook.EndpointFields(url="https://example.com/orders?token=hunter2hunter2", description="Acme")
        endpoint, _ = await webhook.create_endpoint(session, "tests", fields)
        for _ in range(3):
            await webhook.send_test(session, endpoint.id)
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute("update webhook_deliveries set created_at = now() - interval '2 days' where id ="
                                 " (select id from webhook_deliveries limit 1)")  # fmt: skip
    here = f"/deliveries/endpoints/{endpoint.id}"
    assert f'href="{here}/delete"' in (await person.get(here)).text
    question = (await person.get(f"{here}/delete")).text
    for text in ("https://example.com/orders", "Acme", "3 deliveries", "disable it"):
        assert text in question, text
    done = await person.post(f"{here}/delete")
    assert (done.status_code, done.headers["location"]) == (303, "/deliveries/endpoints")
    page = (await person.get("/deliveries/endpoints")).text
    assert "The endpoint https://example.com/orders" in page
    assert "hunter2" not in question + page
    assert (await person.get(here)).status_code == 404
    async with client.database.connection() as connection:
        row = await connection.fetchrow("select who, target from audit where action = 'webhook.endpoint.delete'")
        assert tuple(row) == ("admin", str(endpoint.id))
        assert await connection.fetchval("select count(*) from jobs where actor = 'tidy_webhooks'") == 1


@pytest.mark.parametrize("verb", ["resend", "replay", "disable", "delete"])
async def test_a_viewer_looks_and_does_nothing(app: FastAPI, client: Client, verb: str) -> None:
    made = await mail.fill(client)
    paths = {
        "resend": f"/deliveries/emails/{made.unknown}", "replay": f"/deliveries/webhooks/{made.delivery}",
        "disable": f"/deliveries/endpoints/{made.endpoint}", "delete": f"/deliveries/endpoints/{made.endpoint}",
    }  # fmt: skip
    async with caller(app, httpx.Headers(ACCEPT), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        page = await viewer.get(paths[verb])
        assert page.status_code == 200
        assert f"{paths[verb]}/{verb}" not in page.text
        assert (await viewer.get(f"{paths[verb]}/{verb}")).status_code == 403
        assert (await viewer.post(f"{paths[verb]}/{verb}")).status_code == 403


async def test_deliveries_are_found_by_what_was_answered(person: httpx.AsyncClient, client: Client) -> None:
    """Given one that was answered 500 last and one without a connection, then each is found by that: a status,
    a hundred of them or a word; what is none of these is said at the field, and nothing else is offered to be sent."""
    made = await mail.fill(client)
    async with client.session() as session:
        endpoint = await webhook.endpoint(session, made.endpoint)
        await webhook.send_test(session, endpoint.id)
        [newest, _] = await webhook.deliveries(session)
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into webhook_attempts (delivery_id, number, started_at, url, code, error)"
            " values ($1, 1, now(), 'https://example.com/hooks', 'connect', 'refused')",
            newest.id,
        )
    failed, silent = f'id="d{made.delivery}"', f'id="d{newest.id}"'
    for answered, found, other in (
        ("500", failed, silent), ("5xx", failed, silent), ("connect", silent, failed), ("none", silent, failed),
    ):  # fmt: skip
        page = (await person.get(f"/deliveries/webhooks?answer={answered}")).text
        assert (found in page, other in page) == (True, False), answered
        assert "Send again what failed" not in page
    assert failed not in (await person.get("/deliveries/webhooks?answer=200")).text
    wrong = await person.get("/deliveries/webhooks?answer=6xx")
    assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True)


async def test_mails_are_sent_again_by_a_filter(person: httpx.AsyncClient, client: Client) -> None:
    """Given a mail of which nobody knows, when that status is filtered, then all of them can be sent again, once it was
    said how many and that somebody may get two; a status that has come to rest offers nothing."""
    await mail.fill(client)
    async with client.database.connection() as connection:
        await connection.execute("delete from jobs where actor = 'deliver_email'")
    assert "Send these again" not in (await person.get("/deliveries/emails?status=queued")).text
    assert "/deliveries/emails/resend?status=unknown" in (await person.get("/deliveries/emails?status=unknown")).text
    question = (await person.get("/deliveries/emails/resend?status=unknown&period=24h")).text
    assert "Send 1 e-mail again?" in question
    assert "may get it twice" in question
    refused = await person.post("/deliveries/emails/resend", data={"status": "unknown", "rate": "0", "reason": "typed"})
    assert (refused.status_code, 'id="rate-wrong"' in refused.text, 'value="typed"' in refused.text) == (
        422,
        True,
        True,
    )
    done = await person.post("/deliveries/emails/resend", data={"status": "unknown", "rate": "5"})
    assert done.headers["location"].startswith("/jobs/")
    assert (await person.get("/deliveries/emails/resend?status=delivered", headers=ACCEPT)).status_code == 422
    assert (await person.get("/deliveries/emails/resend")).status_code == 422


async def test_a_delivery_is_tried_elsewhere(person: httpx.AsyncClient, client: Client) -> None:
    """Given a delivery, when it is tried at an address that is not allowed, then that is said at its field; at another
    one, then it is on its way as a delivery of its own, which can be tried again and not be sent again."""
    made = await mail.fill(client)
    here = f"/deliveries/webhooks/{made.delivery}"
    assert f'href="{here}/try"' in (await person.get(here)).text
    assert "example.com/hooks" in (await person.get(f"{here}/try")).text
    refused = await person.post(f"{here}/try", data={"url": "ftp://127.0.0.1/x", "secret": "whsec_typed"})
    assert (refused.status_code, 'id="url-wrong"' in refused.text) == (422, True)
    assert "whsec_typed" not in refused.text
    done = await person.post(f"{here}/try", data={"url": "https://inspect.example.com/x"})
    assert done.status_code == 303
    page = (await person.get(done.headers["location"])).text
    assert "A try of" in page
    assert f'href="{here}/try">Try again' in page
    assert "a try</span>" in (await person.get("/deliveries/webhooks")).text


async def test_a_secret_is_held_against_a_signature(person: httpx.AsyncClient, client: Client, app: FastAPI) -> None:
    """Given an attempt, when a secret is pasted, then it is said whether it fits; the secret is in no answer, and a
    viewer may not ask."""
    made = await mail.fill(client)
    here = f"/deliveries/webhooks/{made.delivery}/verify"
    secret = new_secret()
    async with client.session() as session:
        found = await webhook.message(session, (await webhook.delivery(session, made.delivery)).message_id)
    signature = sign([secret], webhook.message_name(found.id), 1_700_000_000, found.body)
    async with client.database.connection() as connection:
        headers = orjson.dumps({"webhook-timestamp": "1700000000", "webhook-signature": signature}).decode()
        await connection.execute("update webhook_attempts set request_headers = $1 where number = 2", headers)
    for pasted, said in ((secret, "It fits."), (new_secret(), "It does not fit.")):
        page = await person.post(here, data={"secret": pasted, "attempt": "2"})
        assert page.status_code == 200
        assert said in page.text
        assert pasted not in page.text
    seen = await person.post(here, data={"secret": secret, "attempt": "2", "signature": "v1,AAAA"})
    assert "It does not fit." in seen.text
    for data, field in (
        ({"secret": "", "attempt": "2"}, "secret"), ({"secret": "nonsense!", "attempt": "2"}, "secret"),
        ({"secret": secret, "attempt": "9"}, "attempt"), ({"secret": secret, "attempt": "1"}, "signature"),
    ):  # fmt: skip
        wrong = await person.post(here, data=data)
        assert (wrong.status_code, f'id="{field}-wrong"' in wrong.text) == (422, True), field
    async with caller(app, httpx.Headers(ACCEPT), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        assert (await viewer.get(here)).status_code == 403
        assert (await viewer.post(here, data={"secret": secret})).status_code == 403
        assert "/verify" not in (await viewer.get(f"/deliveries/webhooks/{made.delivery}")).text
