"""What was shown masked and comes back: nothing secret is lost, and no asterisks take its place."""

import html
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import BadArguments
from runtime.client import Client
from services.masking import MASK, masking
from tests.web.callers import assert_problem
from web.edits import restored

DATABASE, SHOWN = "postgresql://app:s3cret@db/app", f"postgresql://app:{MASK}@db/app"
JOBS, SCHEDULES = "/api/v1/jobs", "/api/v1/scheduler/jobs"

SECRETS = st.sampled_from([DATABASE, "token=abc", "plain", "", 7, True, None])
VALUES = st.recursive(
    SECRETS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "password", "items"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def put_back(edited: Any, original: Any) -> Any:
    return restored(edited, original, masking().value(original), "args")


@given(VALUES)
def test_what_nobody_touched_is_what_it_was(original: Any) -> None:
    assert repr(put_back(masking().value(original), original)) == repr(original)


@given(VALUES, VALUES)
def test_no_asterisks_take_the_place_of_anything(edited: Any, original: Any) -> None:
    """Given any edit of what was shown, then it is understood whole, or refused."""
    try:
        found = put_back([masking().value(edited), masking().value(original)], [original])
    except BadArguments:
        return
    assert MASK not in repr(found)


ADA, BOB, ANN = {"user": "ada", "password": "a"}, {"user": "bob", "password": "b"}, {"user": "ann", "password": "a"}


@pytest.mark.parametrize(
    ("original", "edited", "wanted"),
    [
        # Beside it, something else is changed.
        ({"url": DATABASE, "n": 1}, {"url": SHOWN, "n": 2}, {"url": DATABASE, "n": 2}),
        ({"password": 1234, "on": True}, {"password": MASK, "on": 1}, {"password": 1234, "on": 1}),
        ({"secrets": {"a": [1]}}, {"secrets": MASK}, {"secrets": {"a": [1]}}),
        # In a list one is added, removed, moved or changed.
        ([DATABASE], ["new", SHOWN], ["new", DATABASE]),
        ([ADA, BOB], [{"user": "bob", "password": MASK}], [BOB]),
        ([ADA, BOB], [{"user": "bob", "password": MASK}, {"user": "ada", "password": MASK}], [BOB, ADA]),
        ([ADA, BOB], [{"user": "ann", "password": MASK}, {"user": "bob", "password": MASK}], [ANN, BOB]),
        # What had asterisks of its own keeps them.
        ({"note": MASK, "line": "*" * 20}, {"note": MASK, "line": "*" * 30}, {"note": MASK, "line": "*" * 30}),
    ],
)  # fmt: skip
def test_what_is_masked_is_found_again(original: Any, edited: Any, wanted: Any) -> None:
    assert repr(put_back(edited, original)) == repr(wanted)


@pytest.mark.parametrize(
    ("original", "edited", "path"),
    [
        ({"password": "a"}, {"passphrase": MASK}, "args.passphrase"),
        ({"url": DATABASE}, {"url": SHOWN.replace("db", "elsewhere")}, "args.url"),
        ({"url": DATABASE}, {"url": {"url": SHOWN}}, "args.url.url"),
        (["token=a", "token=b"], [f"token={MASK}"], "args[0]"),
        ([ADA, BOB], [{"user": "ann", "password": MASK}, {"user": "ada", "password": MASK}], "args[0].password"),
        ([], [MASK], "args[0]"),
        (None, {"a": [SHOWN]}, "args.a[0]"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_refused(original: Any, edited: Any, path: str) -> None:
    with pytest.raises(BadArguments, match="Write it out") as refused:
        put_back(edited, original)
    assert refused.value.path == path


async def enqueued(program: httpx.AsyncClient) -> str:
    """A job with a secret in a text, and one by its place."""
    kwargs = {"size": "small", "count": 1, "price": 1.5, "note": DATABASE, "details": {"password": "s3cret", "n": 1}}
    made = await program.post(JOBS, json={"actor": "order_from_a_form", "kwargs": kwargs, "delay": 60})
    assert made.status_code == 201, made.text
    found: str = made.json()["id"]
    return found


async def arguments(client: Client, job: str) -> dict[str, Any]:
    async with client.database.connection() as connection:
        found: dict[str, Any] = await connection.fetchval("select kwargs from jobs where id = $1::uuid", job)
    return found


async def test_a_job_keeps_its_secrets_when_other_arguments_are_edited(
    person: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a job with secrets, when somebody edits what stands beside them, on its page or through the API, then
    the new job has the secrets; where they are not certain, it is refused and says at which field."""
    job = await enqueued(program)
    shown = (await program.get(f"{JOBS}/{job}")).json()["kwargs"]
    assert shown["note"] == SHOWN
    edited = shown | {"count": 2}
    copy = await program.post(f"{JOBS}/{job}/copy", json={"arguments": {"kwargs": edited}})
    assert copy.status_code == 201, copy.text
    form = {"args": "[]", "kwargs": httpx.Request("POST", "/", json=edited).content.decode(), "way": "copy"}
    asked = await person.post(f"/jobs/{job}/edit", data=form)
    assert "s3cret" not in asked.text
    again = await person.post(f"/jobs/{job}/edit", data=form | {"confirmed": "true"})
    assert again.status_code == 303, again.text
    for made in (copy.json()["id"], again.headers["location"].rpartition("/")[2]):
        kwargs = await arguments(client, made)
        assert (kwargs["note"], kwargs["count"]) == (DATABASE, 2)
        assert kwargs["details"] == {"password": "s3cret", "n": 1}
    moved = {"note": SHOWN + "/other"}
    refused = await program.post(f"{JOBS}/{job}/copy", json={"arguments": {"kwargs": shown | moved}})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "kwargs.note")
    form["kwargs"] = httpx.Request("POST", "/", json=shown | moved).content.decode()
    assert "Write it out" in (await person.post(f"/jobs/{job}/edit", data=form)).text


async def test_a_schedule_keeps_its_secrets_when_it_is_edited(
    person: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given a schedule with secrets, when it is read and sent back with another field changed, in its form, as fields
    or as JSON, or through the API, then it has them still; where they are not certain, that is refused."""
    secrets = {"size": "small", "count": 1, "price": 1.5, "note": DATABASE, "details": {"password": "s3cret", "n": 1}}
    made = await program.post(
        SCHEDULES,
        json={
            "name": "Orders", "task_function": "order_from_a_form", "job_type": "interval",
            "schedule_config": {"hours": 1}, "task_args": secrets,
        },
    )  # fmt: skip
    here, page = f"{SCHEDULES}/{made.json()['id']}", f"/schedules/{made.json()['id']}"
    shown = made.json()["task_args"]
    assert shown["note"] == SHOWN

    async def kept() -> Any:
        async with client.database.connection() as connection:
            return await connection.fetchval("select task_args from scheduled_jobs where name = 'Orders'")

    assert (await program.patch(here, json={"task_args": shown | {"count": 2}})).status_code == 200
    assert await kept() == secrets | {"count": 2}
    fields = ("name", "task_function", "job_type", "schedule_config")
    again = {name: made.json()[name] for name in fields} | {"task_args": shown}
    assert (await program.put(here, json=again)).status_code == 200
    assert await kept() == secrets

    form = {"name": "Orders", "task_function": "order_from_a_form", "job_type": "interval", "every": "1",
            "unit": "hours", "enabled": "true"}  # fmt: skip
    details = httpx.Request("POST", "/", json=shown["details"]).content.decode()
    typed = {"size": "small", "count": "3", "price": "1.5", "note": SHOWN, "details": details.replace("1", "2")}
    saved = await person.post(f"{page}/edit", data=form | {f"arg.{name}": text for name, text in typed.items()})
    assert saved.status_code == 303, saved.text
    changed = secrets | {"count": 3, "details": {"password": "s3cret", "n": 2}}
    assert await kept() == changed
    as_json = httpx.Request("POST", "/", json=shown | {"count": 4}).content.decode()
    saved = await person.post(f"{page}/edit", data=form | {"args_as": "json", "task_args": as_json})
    assert saved.status_code == 303, saved.text
    assert (await kept())["note"] == DATABASE

    moved = shown | {"note": SHOWN + "/other"}
    assert (await program.patch(here, json={"task_args": moved})).status_code == 422
    assert (await program.put(here, json=again | {"task_args": moved})).status_code == 422
    assert (await program.post(SCHEDULES, json=again | {"name": "New"})).status_code == 422
    other = {"task_function": "sign", "task_args": {"name": "Ada", "password": MASK}}
    assert (await program.patch(here, json=other)).status_code == 422
    typed["note"] = moved["note"]
    wrong = await person.post(f"{page}/edit", data=form | {f"arg.{name}": text for name, text in typed.items()})
    assert (wrong.status_code, "Write it out" in wrong.text) == (422, True)
    run = {"task_args": httpx.Request("POST", "/", json=moved).content.decode()}
    assert (await person.post(f"{page}/run", data=run)).status_code == 422


async def test_an_endpoint_keeps_its_address_when_it_is_edited(
    person: httpx.AsyncClient, program: httpx.AsyncClient, client: Client
) -> None:
    """Given an endpoint with a token in its address, when it is sent back as it was shown, then it has it still."""
    url = "https://example.com/hooks?token=s3cret"
    made = (await program.post("/api/v1/webhooks/endpoints", json={"url": url})).json()
    here, page = f"/api/v1/webhooks/endpoints/{made['id']}", f"/deliveries/endpoints/{made['id']}/edit"
    assert "s3cret" not in (await person.get(page)).text
    assert (await program.put(here, json={"url": made["url"], "timeout": 5.0})).status_code == 200
    assert (await person.post(page, data={"url": made["url"], "timeout": "6"})).status_code == 303
    async with client.database.connection() as connection:
        kept = await connection.fetchrow("select url, timeout from webhook_endpoints")
    assert tuple(kept) == (url, 6.0)
    for moved in (made["url"].replace("hooks", "other"), f"https://example.org/?token={MASK}"):
        assert (await program.put(here, json={"url": moved})).status_code == 422
        assert (await person.post(page, data={"url": moved})).status_code == 422


@pytest.mark.parametrize("what", ["endpoint", "schedule"])
async def test_an_edit_of_what_has_changed_meanwhile_is_refused(program: httpx.AsyncClient, what: str) -> None:
    """Given an endpoint or a schedule that two have looked at, when one has changed it, then the other's edit with the
    ETag of what it saw is refused, and with the new one is done."""
    new: dict[str, Any]
    if what == "endpoint":
        place, new = "/api/v1/webhooks/endpoints", {"url": "https://example.com/in"}
    else:
        config = {"job_type": "interval", "schedule_config": {"hours": 1}}
        place, new = SCHEDULES, {"task_function": "welcome", "task_args": ["Ada"], "name": "One", **config}
    here = f"{place}/{(await program.post(place, json=new)).json()['id']}"
    seen = (await program.get(here)).headers["etag"]
    mine, theirs = new | {"description": "mine"}, new | {"description": "theirs"}
    assert (await program.put(here, json=theirs, headers={"If-Match": seen})).status_code == 200
    assert (await program.put(here, json=mine, headers={"If-Match": seen})).status_code == 412
    assert (await program.get(here)).json()["description"] == "theirs"
    now = (await program.get(here)).headers["etag"]
    assert (await program.put(here, json=mine, headers={"If-Match": now})).status_code == 200


@pytest.mark.parametrize("verb", ["delete", "disable", "enable"])
@pytest.mark.parametrize("what", ["endpoint", "schedule"])
async def test_what_has_changed_meanwhile_is_neither_deleted_nor_switched(
    program: httpx.AsyncClient, what: str, verb: str
) -> None:
    """Given an endpoint or a schedule that somebody has looked at, when another has changed it, then it is not deleted,
    enabled or disabled with the ETag of then, and the description of the API says so; with that of now it is."""
    place = "/api/v1/webhooks/endpoints" if what == "endpoint" else SCHEDULES
    new: dict[str, Any] = {"url": "https://example.com/in"}
    if what == "schedule":
        config = {"job_type": "interval", "schedule_config": {"hours": 1}}
        new = {"task_function": "welcome", "task_args": ["Ada"], "name": "One", **config}
    here = f"{place}/{(await program.post(place, json=new)).json()['id']}"
    method, address = ("DELETE", here) if verb == "delete" else ("POST", f"{here}/{verb}")
    body = {"reason": "why"} if (what, verb) == ("endpoint", "disable") else None
    if verb == "enable":
        off = await program.post(f"{here}/disable", json={"reason": "why"} if what == "endpoint" else None)
        assert off.status_code == 200, off.text
    seen = (await program.get(here)).headers["etag"]
    changed = new | {"description": "theirs"} | ({"enabled": verb != "enable"} if what == "schedule" else {})
    assert (await program.put(here, json=changed)).status_code == 200
    assert_problem(await program.request(method, address, json=body, headers={"If-Match": seen}), 412)
    assert (await program.get(here)).status_code == 200
    now = (await program.get(here)).headers["etag"]
    done = await program.request(method, address, json=body, headers={"If-Match": now})
    assert done.is_success, done.text
    paths = (await program.get("/api/v1/openapi.json")).json()["paths"]
    name = "{endpoint_id}" if what == "endpoint" else "{schedule_id}"
    described = paths[address.replace(here.rpartition("/")[2], name)][method.lower()]
    assert "412" in described["responses"]
    assert "if-match" in [given["name"] for given in described["parameters"]]


async def test_a_form_of_an_endpoint_that_has_changed_meanwhile_says_so(
    person: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    """Given an open form, when somebody else changes the endpoint, then what is sent from the form is not saved before
    its sender has been told, and is when it is sent again."""
    url = "https://example.com/in"
    made = (await program.post("/api/v1/webhooks/endpoints", json={"url": url})).json()
    here, page = f"/api/v1/webhooks/endpoints/{made['id']}", f"/deliveries/endpoints/{made['id']}/edit"
    form = {"url": url, "timeout": "5", "version": version_in((await person.get(page)).text)}
    await program.put(here, json={"url": url, "timeout": 9.0})
    told = await person.post(page, data=form)
    assert (told.status_code, "meanwhile" in told.text) == (422, True)
    assert (await program.get(here)).json()["timeout"] == 9
    assert (await person.post(page, data=form | {"version": version_in(told.text)})).status_code == 303
    assert (await program.get(here)).json()["timeout"] == 5


def version_in(page: str) -> str:
    (found,) = re.findall(r'name="version" value="([^"]+)"', page)
    return html.unescape(found)
