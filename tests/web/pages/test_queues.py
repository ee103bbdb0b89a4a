"""Tests of the pages of queues and workers, without a browser."""

import re
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

import db.workers
from runtime.client import Client
from runtime.ids import uuid7
from services import queues, workers
from services.queues import Flow
from tests.web.callers import caller, user
from tests.web.pages import rows
from web.pages import many

HTML = {"Accept": "text/html"}


async def test_a_queue_tells_what_is_in_it(program: httpx.AsyncClient, client: Client) -> None:
    """Given jobs that are due, due later and running, then the list and the queue's page say how many."""
    await rows.workers(client)
    await rows.live(client, 3)
    await rows.live(client, 2, due=-3600)
    await rows.live(client, 4, "running")
    async with client.session() as session:
        queue = await queues.get(session, "email")
        shares = await queues.by_actor(session, "email")
        oldest = await queues.oldest(session, "email", 2)
    assert (queue.due, queue.later, queue.running) == (3, 2, 4)
    assert [(share.actor, share.due, share.later, share.running) for share in shares] == [("send_email", 3, 2, 4)]
    assert len(oldest) == 2
    assert oldest[0].run_at < oldest[1].run_at
    for path in ("/queues", "/queues/email", "/queues/email?period=30d"):
        page = await program.get(path)
        assert page.status_code == 200, page.text
        assert "send_email" in page.text or path == "/queues"


async def test_what_flows_through_a_queue(client: Client) -> None:
    """Given jobs made just now, and others counted as ended and failed, then both rates and the failures are told."""
    await rows.live(client, 10)
    await rows.counted(client, "send_email", "email", 1, 60)
    await rows.counted(client, "send_email", "email", 2, 5)
    async with client.session() as session:
        flow = (await queues.flows(session))["email"]
    assert flow.arriving == pytest.approx(2.0)  # 10 in 5 minutes
    assert 65 / 6 <= flow.leaving <= 65 / 5
    assert flow.failed == 5


@pytest.mark.parametrize(
    ("flow", "due", "seconds"),
    [(Flow(10, 40), 60, 120.0), (Flow(40, 10), 60, None), (Flow(0, 0), 1, None), (Flow(0, 0), 0, 0.0)],
)
def test_when_a_queue_is_empty(flow: Flow, due: int, seconds: float | None) -> None:
    assert flow.drains_in(due) == seconds


async def test_a_pause_needs_a_reason(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form without a reason, then it is shown again and says so; with one the queue is paused."""
    form = await person.get("/queues/email/pause", headers=HTML)
    assert "Pause the queue email?" in form.text
    refused = await person.post("/queues/email/pause", data={"reason": "  "})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    done = await person.post("/queues/email/pause", data={"reason": "the provider is down"})
    assert (done.status_code, done.headers["location"]) == (303, "/queues/email")
    async with client.session() as session:
        queue = await queues.get(session, "email")
    assert (queue.is_paused, queue.reason, queue.paused_by) == (True, "the provider is down", "admin")
    assert "the provider is down" in (await person.get("/queues")).text
    again = await person.post("/queues/email/pause", data={"reason": "another"})
    assert again.status_code == 303
    assert (await person.post("/queues/email/resume")).status_code == 303
    async with client.session() as session:
        assert not (await queues.get(session, "email")).is_paused


async def test_a_pause_ends_when_the_form_says(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form that says until when, on the reader's clock, then the queue is paused until then, and its pages and
    those of its jobs say so; a moment that is over, or none, is refused at its field with what was typed."""
    await rows.live(client, 1)
    typed = {"reason": "a move", "lasts": "moment", "zone": "America/New_York"}
    for until, said in (("2001-01-01T00:00", "This moment is over already."), ("soon", "This is no time.")):
        refused = await person.post("/queues/email/pause", data=typed | {"until": until})
        assert refused.status_code == 422
        assert said in refused.text
        assert 'value="a move"' in refused.text
    assert (
        'value="2001-01-01T05:00"'
        in (await person.post("/queues/email/pause", data=typed | {"until": "2001-01-01T00:00"})).text
    )
    assert (await person.post("/queues/email/pause", data=typed | {"lasts": "7"})).status_code == 422
    done = await person.post("/queues/email/pause", data=typed | {"until": "2199-07-01T00:00"})
    assert done.status_code == 303
    async with client.session() as session:
        assert (await queues.get(session, "email")).paused_until == datetime(2199, 7, 1, 4, tzinfo=UTC)
    async with client.database.connection() as connection:
        job = await connection.fetchval("select id from jobs")
    for path in ("/queues", "/queues/email", f"/jobs/{job}"):
        assert "2199-07-01" in (await person.get(path)).text
    actor = await person.post("/actors/send_email/pause", data={"reason": "a bug", "lasts": "1800"})
    assert actor.status_code == 303
    for path in ("/actors", "/actors/send_email", "/actors/send_email/enqueue"):
        assert "until <time" in (await person.get(path)).text
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set state = 'waiting', blocked_by = 'actor:send_email', run_at = 'infinity'"
        )
    page = (await person.get(f"/jobs/{job}")).text
    assert re.search(r"The actor send_email is paused until 20\d\d-\d\d-\d\d \d\d:\d\d UTC: a bug", page)
    told = (await person.get("/api/v1/queues/email")).json()
    assert told["paused_until"] == "2199-07-01T04:00:00Z"


async def test_the_api_pauses_until(program: httpx.AsyncClient) -> None:
    """Given an end in the body of a pause, then the queue's document has it; one that is over, has no offset, or is
    said twice is refused."""
    address = "/api/v1/queues/email"
    for wrong in (
        {"until": "2001-01-01T00:00:00Z"}, {"until": "2199-01-01T00:00:00"}, {"lasts": 0}, {"lasts": 1e12},
        {"until": "2199-01-01T00:00:00Z", "lasts": 60},
    ):  # fmt: skip
        assert (await program.post(f"{address}/pause", json={"reason": "x"} | wrong)).status_code == 422
    paused = await program.post(f"{address}/pause", json={"reason": "x", "until": "2199-01-01T00:00:00Z"})
    assert (paused.status_code, paused.json()["paused_until"]) == (200, "2199-01-01T00:00:00Z")
    await program.post(f"{address}/resume", json={"reason": "done"})
    paused = await program.post(f"{address}/pause", json={"reason": "x", "lasts": 90.5})
    assert paused.json()["paused_until"] > paused.json()["paused_at"]


async def test_a_queue_has_the_limits_of_its_actors(person: httpx.AsyncClient, client: Client) -> None:
    """Given keys of an actor that declares a limit, then its queue's page shows what of each is in use, with a link to
    set it; a queue whose actors have none says what one is."""
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ('deliver_webhook:acme', 20)")
    page = (await person.get("/queues/webhooks")).text
    assert "20 at once for each endpoint" in page
    assert "/actors/deliver_webhook/limit?key=deliver_webhook%3Aacme" in page
    assert "No limits" in (await person.get("/queues/maintenance")).text


async def test_drained_workers_are_why_a_job_does_not_run(program: httpx.AsyncClient, client: Client) -> None:
    """Given a job that is due, when all workers of its queue are drained, then its page and the queue's say so; when
    one goes on, neither does."""
    await rows.workers(client)
    await rows.live(client, 1)
    async with client.database.connection() as connection:
        job = await connection.fetchval("select id from jobs")
    for worker in (rows.BUSY, rows.SILENT):
        async with client.session() as session:
            await workers.drain(session, worker, who="ana", reason="an upgrade")
            await session.commit()
    for page in (f"/jobs/{job}", "/queues/email"):
        assert "is drained, and takes no more jobs" in (await program.get(page)).text
    async with client.session() as session:
        await workers.go_on(session, rows.BUSY, who="ana")
        await session.commit()
    for page in (f"/jobs/{job}", "/queues/email"):
        text = (await program.get(page)).text
        assert "is drained, and takes" not in text
        assert "No worker listens" not in text


async def test_what_cannot_be_counted_at_a_glance_is_counted_when_asked(
    person: httpx.AsyncClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more jobs than a glance counts, then the question says so, and has a link to one with the whole number."""
    monkeypatch.setattr(many, "GLANCE", 0.0)
    await rows.ended(client, 3_000)
    glance = (await person.get("/queues/email/purge?what=finished")).text
    assert "jobs or more of email?" in glance
    assert "what=finished&amp;all=true" in glance
    whole = (await person.get("/queues/email/purge?what=finished&all=true")).text
    assert "Delete 3,000 jobs of email?" in whole
    assert "all=true" not in whole


async def test_a_purge_wants_the_queues_name(person: httpx.AsyncClient, client: Client) -> None:
    """Given jobs that wait, run and have ended, when a purge is asked for with another name, then nothing is done and
    what was typed is kept; with the queue's name a job begins that is about the jobs that were counted."""
    await rows.live(client, 3)
    await rows.live(client, 1, "running")
    await rows.ended(client, 2)
    assert "Cancel 3 jobs of email?" in (await person.get("/queues/email/purge")).text
    assert "Delete 2 jobs of email?" in (await person.get("/queues/email/purge?what=finished")).text
    refused = await person.post("/queues/email/purge", data={"what": "finished", "typed": "e-mail", "reason": "old"})
    assert refused.status_code == 422
    assert "Type the queue&#39;s name, email" in refused.text
    assert 'value="e-mail"' in refused.text
    assert 'value="old"' in refused.text
    async with client.database.connection() as connection:
        assert await connection.fetchval("select count(*) from jobs where actor = 'change_jobs'") == 0
        done = await person.post("/queues/email/purge", data={"what": "waiting", "typed": "email", "reason": "old"})
        assert (done.status_code, done.headers["location"][:6]) == (303, "/jobs/")
        args = await connection.fetchval("select args::text || kwargs::text from jobs where actor = 'change_jobs'")
        note = await connection.fetchrow("select who, action, reason from audit")
    assert '"cancel"' in args
    assert '"queue":"email"' in args.replace(" ", "")
    assert tuple(note) == ("admin", "jobs.cancel", "old")


async def test_draining_a_worker_needs_a_reason(person: httpx.AsyncClient, client: Client) -> None:
    """Given a worker that runs jobs, when it is drained with a reason, then its page and the list say so; it can be
    told to go on."""
    await rows.workers(client)
    await rows.live(client, 2, "running")
    here = f"/workers/{rows.BUSY}"
    assert "2 jobs" in (await person.get(f"{here}/drain")).text
    refused = await person.post(f"{here}/drain", data={"reason": " "})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    done = await person.post(f"{here}/drain", data={"reason": "a new kernel"})
    assert (done.status_code, done.headers["location"]) == (303, here)
    assert "Drained by admin" in (await person.get(here)).text
    assert "a new kernel" in (await person.get(here)).text
    assert "draining" in (await person.get("/queues")).text
    assert (await person.post(f"{here}/resume")).status_code == 303
    assert "Drained by" not in (await person.get(here)).text


async def test_a_viewer_looks_and_does_nothing(app: FastAPI, client: Client) -> None:
    await rows.workers(client)
    await rows.live(client, 1, "running")
    async with caller(app, httpx.Headers(HTML), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for path in ("/queues", "/queues/email", f"/workers/{rows.BUSY}"):
            page = await viewer.get(path)
            assert page.status_code == 200
            assert "Pause…" not in page.text
            assert "Cancel…" not in page.text
            assert "Drain…" not in page.text
            assert "Purge…" not in page.text
        for path in ("/queues/email/purge", f"/workers/{rows.BUSY}/drain"):
            assert (await viewer.get(path)).status_code == 403
            assert (await viewer.post(path, data={"reason": "why", "what": "waiting"})).status_code == 403
        assert (await viewer.get("/queues/email/pause")).status_code == 403
        assert (await viewer.post("/queues/email/pause", data={"reason": "why"})).status_code == 403
        assert (await viewer.post("/queues/email/resume")).status_code == 403


async def test_a_worker_tells_what_it_does(program: httpx.AsyncClient, client: Client) -> None:
    """Given a worker that runs jobs and has ended some, then its page lists both; a silent one is said to be silent."""
    await rows.workers(client)
    await rows.live(client, 2, "running")
    await rows.ended(client, 1)
    await rows.ended(client, 1, "failed")
    page = (await program.get(f"/workers/{rows.BUSY}")).text
    assert "2 of 24 slots" in page
    assert page.count("Cancel…") == 2
    assert "failed" in page
    assert "It has said nothing for" in (await program.get(f"/workers/{rows.SILENT}")).text


async def test_a_worker_tells_what_it_uses_and_what_failed_on_it(program: httpx.AsyncClient, client: Client) -> None:
    """Given what a worker's heartbeats told, and a job that failed on it, then its page shows memory, CPU, versions and
    the error, what looks like a secret masked; the list and the API have the figures too. Of one that never told
    them there are none."""
    await rows.workers(client)
    await rows.ended(client, 1, "failed")
    await rows.attempts(client, "no login with password=hunter2")
    page = (await program.get(f"/workers/{rows.BUSY}")).text
    for text in ("150.0 MiB", "38 %", "Python 3.11.2, Dramatiq 2.2.1", "ValueError", "no login with", "/errors/"):
        assert text in page
    assert "hunter2" not in page
    assert "150.0 MiB" in (await program.get("/queues")).text
    silent = (await program.get(f"/workers/{rows.SILENT}")).text
    assert "No attempt has failed on it of late." in silent
    assert "<dt>Memory</dt><dd>—</dd>" in silent
    told = {one["host"]: one for one in (await program.get("/api/v1/workers")).json()["workers"]}
    assert (told["busy"]["memory"], told["busy"]["cpu"], told["silent"]["memory"]) == (150 * 2**20, 37.5, None)
    assert (told["busy"]["python"], told["busy"]["dramatiq"]) == ("3.11.2", "2.2.1")


async def test_a_worker_that_is_gone_has_its_past(program: httpx.AsyncClient, client: Client) -> None:
    """Given the jobs of a worker that has stopped, then its page shows them; of one that nobody knows there is none."""
    assert (await program.get(f"/workers/{rows.BUSY}")).status_code == 404
    await rows.ended(client, 1)
    assert "A worker that is gone" in (await program.get(f"/workers/{rows.BUSY}")).text


async def test_what_is_not_there_is_not_found(program: httpx.AsyncClient) -> None:
    for path in ("/queues/no-such-queue", "/queues/no-such-queue/pause", "/queues/%22%3E%3Cscript%3E"):
        page = await program.get(path, headers=HTML)
        assert page.status_code == 404
        assert "<script>" not in page.text


async def test_lost_workers_are_shown_for_a_day(program: httpx.AsyncClient, client: Client) -> None:
    """Given a worker that was found dead, then the page says where it ran and what became of its jobs."""
    assert "Lost workers" not in (await program.get("/queues")).text
    dead = [[uuid7()], ["host-of-the-lost"], [4711], [datetime.now(UTC)], [3], [1]]
    async with client.database.connection() as connection:
        await connection.execute(db.workers.NOTE_DEATHS, db.workers.DIED, *dead)
    page = (await program.get("/queues")).text
    assert "Lost workers" in page
    assert "host-of-the-lost" in page
    assert "4711" in page
