"""Whatever stands in an address or a form: what it cannot be is refused, and never a failure of ours."""

import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import iter_route_contexts

from runtime.client import Client
from services.workflows import s
from tests.web.callers import ORIGIN, assert_problem
from tests.web.pages import mail
from tests.web.pages.test_schedules import FORM, made
from tests.web.pages.test_workflows import started
from tests.workflows.flow_actors import flow_value
from web.pages.actors import FIELD

HTML = {"Accept": "text/html"}
# What PostgreSQL has no place for, and what Python's own functions stumble over.
ODD = ("a\0b", "9" * 30, "9999-12-31T23:59:59-12:00", "//[")


async def things(program: httpx.AsyncClient, client: Client) -> dict[str, str]:
    """One of each, by what it is called in addresses."""
    filled = await mail.fill(client)
    job = await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"]})
    return {
        "job_id": job.json()["id"], "schedule_id": str(await made(client)),
        "workflow_id": str(await started(client, s(flow_value, 1).named("a"))), "email_id": str(filled.unknown),
        "endpoint_id": str(filled.endpoint), "delivery_id": str(filled.delivery), "worker_id": str(uuid.uuid4()),
        "verb": "pause", "name": "web-tests", "step": "a", "token": "x", "fingerprint": "a" * 32,
    }  # fmt: skip


def asked(app: FastAPI, ids: dict[str, str]) -> Iterator[tuple[str, str, dict[str, str], dict[str, str]]]:
    """Every address with each odd value in each of its parameters and fields: method, path, query, form."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None or route.path == "/live":  # a stream without end
            continue
        path = re.sub(r"\{(\w+)[^}]*\}", lambda found: ids.get(found[1], "1"), route.path or "")
        path = path.replace("/actors/web-tests", "/actors/sign")
        query = [one for one in get_flat_params(dependant) if isinstance(one.field_info, params.Query)]
        form = [one for one in dependant.body_params if isinstance(one.field_info, params.Form)]
        needed = {one.alias: "1" for one in query if one.field_info.is_required()}
        filled = {one.alias: "retry" if one.alias == "verb" else "1" for one in form if one.field_info.is_required()}
        for method in (route.methods or set()) - {"HEAD"}:
            for odd in ODD:
                yield from ((method, path, needed | {one.alias: odd}, filled) for one in query)
                yield from ((method, path, needed, filled | {one.alias: odd}) for one in form)


async def test_no_value_of_a_parameter_or_field_is_a_failure(
    app: FastAPI, program: httpx.AsyncClient, person: httpx.AsyncClient, client: Client
) -> None:
    # Given one of each thing that there is a page of
    ids = await things(program, client)
    failures = []
    for method, path, query, form in asked(app, ids):
        # When its pages are asked for with what nobody would type
        somebody = person if path.startswith("/jobs/views") else program
        response = await somebody.request(method, path, params=query, data=form)

        # Then none fails
        if response.status_code >= 500 and not path.startswith("/health"):
            failures.append((method, path, query, form))
    assert failures == []


SEARCHES = ["created:>9999999d", "created:9999-12-31", "created:0001-01-01T00:00%2B14:00", "finished:1..9999999999999w"]


@pytest.mark.parametrize("q", SEARCHES)
async def test_a_time_too_far_away_is_no_failure(program: httpx.AsyncClient, q: str) -> None:
    assert (await program.get(f"/jobs?q={q}")).status_code in (200, 422)
    assert (await program.get(f"/jobs?q={q}%20actor:welcome")).status_code in (200, 422)


async def test_a_time_too_far_away_is_said_and_the_rest_of_the_search_counts(program: httpx.AsyncClient) -> None:
    page = await program.get("/jobs?q=created:>9999999d actor:welcome")
    assert page.status_code == 200
    assert "too far away" in page.text


@pytest.mark.parametrize("address", ["/jobs/{job_id}?text=a%00", "/errors?text=a%00", "/workflows?name=a%00"])
async def test_what_postgresql_cannot_have_is_said_in_words(
    program: httpx.AsyncClient, client: Client, address: str
) -> None:
    address = address.format_map(await things(program, client))
    assert "NUL" in assert_problem(await program.get(address), 422).detail
    page = await program.get(address, headers=HTML)
    assert page.status_code == 422
    assert "NUL" in page.text


async def test_a_reason_with_nul_is_refused_and_nothing_done(program: httpx.AsyncClient, client: Client) -> None:
    workflow = (await things(program, client))["workflow_id"]
    response = await program.post(f"/api/v1/workflows/{workflow}/cancel", json={"reason": "a\0"})
    assert_problem(response, 422)
    assert (await program.get(f"/api/v1/workflows/{workflow}")).json()["state"] == "running"


async def test_half_an_address_leads_to_the_first_page(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/login?next=//[")
    assert page.status_code == 200
    assert 'name="next" value="/"' in page.text


async def test_half_an_origin_is_not_ours(program: httpx.AsyncClient) -> None:
    job = {"actor": "welcome", "args": ["Ada"]}
    for origin, status in (("http://[", 403), (ORIGIN, 201)):
        assert (await program.post("/api/v1/jobs", json=job, headers={"Origin": origin})).status_code == status


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("version", "abc"), ("version", "9" * 30), ("start_at", "9999-12-31T23:59"), ("end_at", "0001-01-01T00:00"),
        ("expression", "\0"), ("time_zone", "\0"), ("name", "a\0"), ("misfire_max", "9" * 30), ("jitter", "1e999"),
    ],
)  # fmt: skip
async def test_a_schedules_form_with_an_odd_value_is_refused(
    program: httpx.AsyncClient, client: Client, field: str, odd: str
) -> None:
    schedule = await made(client)
    response = await program.post(f"/schedules/{schedule}/edit", data=FORM | {field: odd}, headers=HTML)
    assert response.status_code in (409, 422), response.text
    assert (await program.post("/schedules/preview", data=FORM | {field: odd})).status_code in (200, 422)


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("delay", "999999999.9999999999d"), ("delay", "999999999d"), ("run_at", "9999-12-31T23:59"),
        ("priority", "9" * 30),
        ("unique_key", "a\0"), ("tags", "a\0"), (f"{FIELD}tokens", '["a", "b\\u0000", "c"]'),
        (f"{FIELD}tokens", '["a", "b", "c", 99999999999999999999999999]'), (f"{FIELD}name", "a\0"),
    ],
)  # fmt: skip
async def test_an_enqueue_form_with_an_odd_value_is_refused(program: httpx.AsyncClient, field: str, odd: str) -> None:
    form = {f"{FIELD}name": "Ada", f"{FIELD}password": "x", f"{FIELD}tokens": '["a"]', field: odd}
    response = await program.post("/actors/sign/enqueue", data=form, headers=HTML)
    assert response.status_code == 422, response.text


async def test_a_number_too_large_for_json_is_refused_at_its_field(program: httpx.AsyncClient) -> None:
    form = {FIELD + name: value for name, value in (("size", "small"), ("count", "9" * 30), ("price", "1"))}
    response = await program.post("/actors/order_from_a_form/enqueue", data=form, headers=HTML)
    assert response.status_code == 422
    assert "64-bit" in response.text


async def test_a_form_that_comes_too_late_is_shown_again_with_the_reason(
    program: httpx.AsyncClient, client: Client
) -> None:
    # Given a schedule that somebody else has changed meanwhile, then its form says so
    schedule = await made(client)
    assert (await program.post(f"/schedules/{schedule}/edit", data=FORM | {"description": "x"})).status_code == 303
    late = await program.post(f"/schedules/{schedule}/edit", data=FORM | {"version": "1"}, headers=HTML)
    assert late.status_code == 422
    assert "is at version 2" in late.text

    # And so does that of a job that has not ended
    job = (await program.post("/api/v1/jobs", json={"actor": "welcome", "args": ["Ada"]})).json()["id"]
    form = {"args": '["Bob"]', "kwargs": "{}", "way": "checkpoint", "confirmed": "true"}
    early = await program.post(f"/jobs/{job}/edit", data=form, headers=HTML)
    assert early.status_code == 422
    assert "queued" in early.text

    # And that of a backfill that cannot be
    span = {"start": "2026-01-01T00:00", "end": "2150-01-01T00:00"}
    wrong = await program.post(f"/schedules/{schedule}/backfill", data=span, headers=HTML)
    assert wrong.status_code == 422
