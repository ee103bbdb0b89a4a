"""Searches find what is there, page by page, and end in time whatever is asked of however many jobs."""

import time
import uuid
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from db import search
from db.search import Filter, Page, Position
from runtime.client import Client
from services.search import shown_state
from tests.db.test_statements import ME, OUTCOMES, job
from tests.runtime.observing import fetch, row

FILL = """
insert into jobs (id, actor, queue, args, kwargs, priority, state, outcome, worker, attempt, finished_at, created_at,
                  run_at, owner, tags, error)
select gen_random_uuid(), 'actor-' || n % 7, 'q' || n % 4, json_build_array(n), json_build_object('name', 'n-' || n),
       0, s, case s when 'succeeded' then 1 when 'failed' then 2 when 'cancelled' then 3 end, null, 1,
       case when s = 'queued' then null else now() - n * interval '1 min' end, now() - n * interval '1 min', now(),
       case when n % 50 = 0 then 'ada' end, case when n % 500 = 0 then array['rare', 'x'] end,
       case when s = 'failed' then json_build_object('type', 'E' || n % 3, 'message', 'Bad Luck with ' || n) end
from generate_series(1, $1::int) n,
     lateral (select case when n % 100 = 0 then 'queued' when n % 40 = 0 then 'failed' when n % 41 = 0 then 'cancelled'
                          else 'succeeded' end) c(s)
"""


async def find(client: Client, only: Filter, limit: int = 50, before: Position | None = None) -> Page:
    async with client.session() as session:
        return await search.page(session, only, limit=limit, before=before)


async def count(client: Client, only: Filter, **limits: Any) -> search.Count:
    async with client.session() as session:
        return await search.count(session, only, **limits)


async def found(client: Client, **only: Any) -> set[uuid.UUID]:
    page = await find(client, Filter(**only))
    assert (page.next, page.searched_back_to) == (None, None)
    assert await count(client, Filter(**only)) == search.Count(len(page.jobs), is_exact=True)
    return {job.id for job in page.jobs}


async def test_each_filter_finds_what_it_says(client: Client) -> None:
    """Given a job that each filter is about, among others, then each finds that one only."""
    parent, worker, workflow, schedule = (uuid.uuid4() for _ in range(4))
    about: dict[str, tuple[Any, dict[str, Any]]] = {
        "actor": ("b", {"actor": "b"}),
        "queue": ("other", {"queue": "other"}),
        "owner": ("ada", {"owner": "ada"}),
        "tags": (["x", "y"], {"tags": ["y", "z", "x"]}),
        "parent_id": (parent, {"parent_id": parent}),
        "worker": (worker, {"state": "succeeded", "worker": worker}),
        "unique_key": ("k", {"unique_key": "k"}),
        "workflow_id": (workflow, {"workflow_id": workflow}),
        "schedule_id": (schedule, {}),
        "error_type": ("Unlucky", {"state": "failed", "worker": ME, "error": {"type": "Unlucky", "message": "-"}}),
        "error": ("50%_ OFF", {"state": "failed", "worker": ME, "error": {"type": "E", "message": "is 50%_ off"}}),
        "arguments": ('a "quoted" é', {"kwargs": '{"x":"it is a \\"Quoted\\" é"}'}),
    }
    ids = {name: await job(client, **_made(columns)) for name, (_, columns) in about.items()}
    await job(client, tags=["x"])
    await fetch(
        client,
        "insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, job_id, triggered_by)"
        " values (gen_random_uuid(), $1, 's', now(), 'fired', $2, 'schedule')",
        schedule,
        ids["schedule_id"],
    )
    for name, (wanted, _) in about.items():
        assert await found(client, **{name: wanted}) == {ids[name]}, name
    assert await found(client, actor="b", queue="other") == set()


def _made(columns: dict[str, Any]) -> dict[str, Any]:
    if "error" in columns:
        columns = {**columns, "error": orjson.dumps(columns["error"]).decode()}
    return columns


async def test_states_stored_and_derived(client: Client) -> None:
    await fetch(
        client,
        "insert into workers (id, host, pid, process, queues, async_slots, threads, version)"
        " values ($1, 'h', 1, 'p', '{q}', 1, 1, '0') on conflict do nothing",
        ME,
    )
    stored = {
        state: await job(client, state, **({"worker": ME} if state in OUTCOMES else {}))
        for state in ("waiting", "paused", "succeeded", "failed", "cancelled")
    }
    live: dict[str, tuple[str, dict[str, Any]]] = {
        "queued": ("queued", {}),
        "scheduled": ("queued", {}),
        "retrying": ("queued", {"attempt": 1}),
        "running": ("running", {}),
        "cancelling": ("running", {"control": "cancel"}),
        "pausing": ("running", {"control": "pause"}),
        "stalled": ("running", {"worker": uuid.uuid4()}),
    }
    derived = {name: await job(client, state, **columns) for name, (state, columns) in live.items()}
    await fetch(client, "update jobs set run_at = now() + interval '1 h' where id = $1", derived["scheduled"])
    for state, job_id in stored.items():
        assert await found(client, state=state) == {job_id}
    for state in ("scheduled", "retrying", "cancelling", "pausing", "stalled"):
        assert await found(client, state=state) == {derived[state]}
        if state != "stalled":
            assert shown_state(await row(client, derived[state])) == state
    assert await found(client, state="queued") == {derived[name] for name in ("queued", "scheduled", "retrying")}
    assert await found(client, state="running") == {
        derived[name] for name in ("running", "cancelling", "pausing", "stalled")
    }


async def all_pages(client: Client, only: Filter, limit: int) -> list[uuid.UUID]:
    ids: list[uuid.UUID] = []
    page = await find(client, only, limit)
    while page.next is not None:
        ids += [job.id for job in page.jobs]
        page = await find(client, only, limit, page.next)
    return ids + [job.id for job in page.jobs]


@pytest.mark.parametrize(
    "only",
    [
        {}, {"state": "queued"}, {"state": "failed"}, {"actor": "actor-3"}, {"owner": "ada"}, {"tags": ("rare",)},
        {"arguments": "n-1"}, {"error": "luck with 4"}, {"state": "failed", "error": "BAD luck with 4"},
        {"actor": "actor-3", "arguments": "n-1"}, {"owner": "ada", "arguments": "n-1"},
        {"state": "queued", "arguments": "n-1"}, {"state": "failed", "error_type": "E1"},
    ],
    ids=str,
)  # fmt: skip
async def test_pages_hold_each_job_once(client: Client, only: dict[str, Any]) -> None:
    """Given 3,000 jobs, many of one moment, then the pages together are what one statement finds, in its order."""
    await fetch(client, FILL, 3_000)
    await fetch(client, "update jobs set created_at = date_trunc('hour', created_at)")
    await fetch(client, "update jobs set finished_at = created_at where outcome is not null")
    async with client.session() as session:
        everything, position = await search.ids(session, Filter(**only), await search.now(session), 1_000_000)
    assert position is None
    pages = await all_pages(client, Filter(**only), 37)
    assert len(pages) == len(set(pages))
    assert set(pages) == set(everything) != set()


async def test_a_search_whose_time_is_over_says_how_far_it_has_looked(client: Client) -> None:
    """Given 3,000 jobs and no time, then the answer is of the first window, and goes on from there to the end."""
    await fetch(client, FILL, 3_000)
    only = Filter(arguments='"n-2999"')
    async with client.session() as session:
        first = await search.page(session, only, limit=10, seconds=0)
        assert first.jobs == []
        assert first.next is not None
        assert first.searched_back_to == first.next.at
        second = await search.page(session, only, limit=10, seconds=0, before=first.next)
    assert [job.actor for job in second.jobs] == ["actor-3"]
    assert (second.next, second.searched_back_to) == (None, None)


async def test_new_jobs_do_not_shift_the_next_page(client: Client) -> None:
    await fetch(client, FILL, 100)
    first = await find(client, Filter(), 10)
    before = [job.id for job in (await find(client, Filter(), 10, first.next)).jobs]
    await job(client)
    assert [job.id for job in (await find(client, Filter(), 10, first.next)).jobs] == before


async def test_a_count_stops_at_its_cap(client: Client) -> None:
    await fetch(client, FILL, 500)
    for only in (Filter(), Filter(arguments="n-")):
        assert await count(client, only, most=100) == search.Count(100, is_exact=False)
        assert await count(client, only, most=500) == search.Count(500, is_exact=True)


async def test_a_count_goes_on_from_window_to_window(client: Client) -> None:
    """Given more jobs than are looked at at once, then each that fits is counted once; at a glance, those of the first
    look, and the number says that it is not all."""
    await fetch(client, FILL, 5_000)
    assert await count(client, Filter(arguments="n-"), seconds=60) == search.Count(5_000, is_exact=True)
    assert await count(client, Filter(arguments='"n-1'), seconds=60) == search.Count(1_111, is_exact=True)
    assert await count(client, Filter(arguments="n-"), seconds=0) == search.Count(2_000, is_exact=False)


WRONG: list[dict[str, Any]] = [
    {"state": "done"}, {"actor": ""}, {"arguments": "a\0"}, {"created_after": "2026-01-01T00:00:00"},
    {"colour": "red"}, {"parent_id": "seven"},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_filter_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filter(**wrong)


QUESTIONS: list[dict[str, Any]] = [
    {}, {"state": "running"}, {"state": "queued"}, {"state": "failed"}, {"state": "failed", "actor": "actor-3"},
    {"actor": "nobody"}, {"owner": "ada", "state": "failed"}, {"tags": ("rare",)}, {"tags": ("nowhere",)},
    {"state": "failed", "error_type": "E2"}, {"error_type": "nowhere"}, {"unique_key": "nowhere"},
    {"arguments": "n-199999"}, {"arguments": "nowhere"}, {"state": "queued", "arguments": "nowhere"},
    {"error": "with 199960"}, {"worker": uuid.UUID(int=9)},
]  # fmt: skip


@pytest.mark.long
async def test_every_search_ends_in_time(client: Client) -> None:
    """Given 200,000 jobs, whatever is asked for, then the page is there within seconds: whole, or with a mark how far
    it has looked, from which it goes on to the end."""
    await fetch(client, FILL, 200_000)
    await fetch(client, "analyze jobs")
    for only in (Filter(**question) for question in QUESTIONS):
        started = time.monotonic()
        page = await find(client, only)
        await count(client, only)
        assert time.monotonic() - started < 15, only
        while page.next is not None and not page.jobs:
            page = await find(client, only, before=page.next)
        async with client.session() as session:
            everything, _ = await search.ids(session, only, await search.now(session), 1_000_000)
        assert len(page.jobs) == min(50, len(everything)), only


@pytest.mark.parametrize("only", [Filter(arguments="n-7"), Filter(state="failed", error="luck")], ids=str)
async def test_a_window_that_takes_too_long_is_given_up(
    client: Client, monkeypatch: pytest.MonkeyPatch, only: Filter
) -> None:
    """Given a database that has stopped answering, when text is searched for, then the answer says that nothing was
    looked at yet; when the database is back, the search goes on from there and finds all."""
    monkeypatch.setattr(search, "_PATIENCE", 0.2)
    await fetch(client, FILL, 500)
    whole = await find(client, only)
    async with client.database.connection() as connection, connection.transaction():
        await connection.execute("lock table jobs")
        stuck = await find(client, only)
        counted = await count(client, only)
    assert (stuck.jobs, counted) == ([], search.Count(0, is_exact=False))
    assert stuck.searched_back_to is not None
    found = await find(client, only, before=stuck.next)
    assert [job.id for job in found.jobs] == [job.id for job in whole.jobs]
    assert found.jobs
