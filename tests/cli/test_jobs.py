"""`callboard enqueue`, `callboard jobs …`, `callboard dead …`, `callboard workers …`: for people and for scripts."""

import asyncio
import getpass
import json
import re
import uuid

import pytest

from runtime.client import Client
from tests.cli.callboard import callboard, callboard_process
from tests.runtime.control_actors import broker
from tests.runtime.engine import Engine
from tests.runtime.observing import ended, enqueue, fetch, row, value

LATER = ("enqueue", "cleanup_completed_jobs", "--in", "1h")


async def later(*options: str) -> str:
    """A job for in an hour."""
    done = await callboard(*LATER, *options)
    assert done.code == 0, done.err
    return done.out.strip()


async def test_a_job_is_enqueued_and_waited_for(client: Client, engine: Engine) -> None:
    done = await callboard("enqueue", "cleanup_completed_jobs", "--wait", "--timeout", "60", "--json")
    assert done.json["created"] is True
    assert done.json["result"] == {"succeeded": 0, "cancelled": 0, "failed": 0, "workflows": 0}
    job = await row(client, uuid.UUID(done.json["id"]))
    assert (job.state, job.owner) == ("succeeded", f"cli:{getpass.getuser()}")
    again = await callboard("jobs", "wait", job.id)
    assert again.json == done.json["result"]
    workers = (await callboard("workers", "list", "--json")).json
    # The worker that other tests of this file share may be there too.
    assert (4, 0) in [(found["threads"], found["running"]) for found in workers]


async def test_arguments_as_they_are_typed(client: Client) -> None:
    """Given values that are JSON and one that is not, then the first are taken as such, and the other is text."""
    done = await callboard(
        "enqueue", "send_email", "--arg", "to=ada@example.com", "--arg", 'headers={"X-A":"1"}',
        "--arg", "text=12 pence", "--kwargs", '{"subject": "S"}', "--at", "2030-01-01T00:00:00Z", "--tag", "a",
        "--tag", "b",
    )  # fmt: skip
    job = await row(client, uuid.UUID(done.out.strip()))
    assert job.kwargs == {"to": "ada@example.com", "headers": {"X-A": "1"}, "text": "12 pence", "subject": "S"}
    assert (job.tags, job.run_at.isoformat()) == (["a", "b"], "2030-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["enqueue", "nobody"], "No actor is named 'nobody'"),
        (["enqueue", "send_email", "--arg", "to"], "--arg 'to' is not NAME=VALUE"),
        (["enqueue", "send_email", "--kwargs", "[]"], "--kwargs is not a JSON object"),
        (["enqueue", "send_email", "--in", "soon"], "--in 'soon' is no duration"),
        (["enqueue", "send_email", "--at", "soon"], "--at 'soon' is no time"),
        (["enqueue", "cleanup_completed_jobs", "--arg", "x=1"], "cannot be called so"),
        (["jobs", "list", "--state", "done"], "--state 'done': Input should be 'waiting'"),
        (["jobs", "list", "--before", "x"], "--before is not what a page ended with"),
        (["jobs", "cancel"], "Which jobs? Name their ids, or say by options"),
        (["jobs", "cancel", str(uuid.UUID(int=7)), "--state", "queued"], "not both"),
        (["jobs", "cancel", str(uuid.UUID(int=7)), "--dry-run"], "--dry-run counts the jobs that options choose"),
        (["jobs", "retry", str(uuid.UUID(int=7)), "--wait"], "callboard jobs wait ID"),
        (["dead", "retry", str(uuid.UUID(int=7)), "--dry-run"], "--dry-run counts the jobs that options choose"),
        (["jobs", "list", "--parent", "x"], "--parent 'x': Input should be a valid UUID"),
        (["emails", "list", "--status", "unknwon"], "No e-mail is 'unknwon'. They are queued, "),
        (["workflows", "list", "--state", "x"], "No workflow is 'x'. They are running, "),
        (["suppressions", "list", "--reason", "x"], "There is no reason 'x'; there are: hard_bounce, "),
    ],
    ids=lambda value: " ".join(value[1:3]) if isinstance(value, list) else "",
)
async def test_what_is_wrong_is_named(client: Client, arguments: list[str], says: str) -> None:
    done = await callboard(*arguments)
    assert (done.code, done.out) == (1, "")
    assert says in done.err
    assert "Traceback" not in done.err
    assert await value(client, "select count(*) from jobs") == 0


async def test_a_job_is_acted_on_and_what_makes_no_sense_is_refused(client: Client) -> None:
    """Given a scheduled job, then the verbs change it, each with its row in the audit; what makes no sense is exit code
    4, what does not exist 3."""
    job_id = await later()
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        done = await callboard("jobs", verb, job_id, "--reason", "by hand", "--json")
        assert done.json == [{"id": job_id, "done": True, "state": state}]
    by = f"cli:{getpass.getuser()}"
    assert [
        tuple(found)
        for found in await fetch(client, "select distinct who, reason from audit where action <> 'job.enqueue'")
    ] == [(by, "by hand")]
    assert (await callboard("jobs", "run-now", await later())).code == 0
    refused, unknown = await callboard("jobs", "pause", job_id), await callboard("jobs", "pause", uuid.uuid4())
    assert (refused.code, unknown.code) == (4, 3)
    assert "is cancelled and cannot be paused" in refused.err
    waited = await callboard("jobs", "wait", job_id)
    assert (waited.code, waited.err) == (8, f"Job {job_id} was cancelled: by hand (by {by})\n")


async def test_lists_for_people_and_programs(client: Client) -> None:
    """Given three jobs, then they are listed newest first and page by page; an empty list says what to do."""
    empty = await callboard("jobs", "list")
    assert empty.out.startswith("There is no job yet. Make one: callboard enqueue")
    ids = [await later("--tag", "a") for _ in range(3)]
    first = (await callboard("jobs", "list", "--limit", "2", "--json")).json
    second = (await callboard("jobs", "list", "--limit", "2", "--json", "--before", first["next"])).json
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert (second["next"], first["jobs"][0]["state"]) == (None, "scheduled")
    shown = await callboard("jobs", "list", "--tag", "a", "--created-after", "1h")
    assert all(job_id in shown.out for job_id in ids)
    assert re.search(r"due in (5\d|60) min", shown.out)
    assert (await callboard("jobs", "list", "--state", "scheduled", "--count")).out == "3 jobs\n"
    nothing = await callboard("jobs", "list", "--actor", "nobody")
    assert nothing.out.startswith("No job has actor=nobody.")


async def test_one_job_is_shown_whole(client: Client) -> None:
    job_id = await later()
    await fetch(
        client,
        "update jobs set state = 'failed', outcome = 2, finished_at = now(), attempt = 1,"
        """ error = '{"type": "Unlucky", "message": "so be [it]"}'""",
    )
    await fetch(
        client,
        "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
        " values ($1, 1, gen_random_uuid(), now(), 'Unlucky', 'so be [it]', 'Traceback: [/] line 1')",
        uuid.UUID(job_id),
    )
    await fetch(client, "update jobs set result = 'false' where id = $1", uuid.UUID(job_id))
    shown = await callboard("jobs", "show", job_id)
    assert "result" in shown.out
    assert "false" in shown.out
    assert "Traceback: [/] line 1" in shown.out
    assert "so be [it]" in shown.out
    assert (await callboard("jobs", "show", job_id, "--json")).json["attempts"][0]["error_type"] == "Unlucky"
    assert (await callboard("dead", "list", "--json")).json["jobs"][0]["id"] == job_id
    waited = await callboard("jobs", "wait", job_id)
    assert (waited.code, waited.err) == (7, f"Job {job_id} failed: Unlucky: so be [it]\n")


async def test_a_filter_is_counted_confirmed_and_done(client: Client, engine: Engine) -> None:
    """Given five scheduled jobs, then a dry run changes nothing, a "no" neither; a "yes" starts a job that does it."""
    for _ in range(5):
        await later("--tag", "b")
    dry = await callboard("jobs", "cancel", "--tag", "b", "--dry-run")
    assert dry.out == "5 jobs fit.\n"
    declined = await callboard("jobs", "cancel", "--tag", "b", given="n\n")
    assert declined.code == 1
    assert "Cancel: tags=['b']. 5 jobs fit. Go on?" in declined.err
    assert "Go on?" not in declined.out  # which a program may read
    assert await value(client, "select count(*) from jobs where state = 'queued'") == 5
    done = await callboard("jobs", "cancel", "--tag", "b", "--yes", "--wait", "--json")
    assert done.json["result"] == {"changed": 5, "left": {}}
    again = await callboard("jobs", "retry", "--state", "cancelled", "--yes", "--json")
    await ended(client, uuid.UUID(again.json["id"]))
    assert await value(client, "select count(*) from jobs where state = 'cancelled'") == 0


async def test_jobs_are_moved_by_id_and_by_a_filter(client: Client, engine: Engine) -> None:
    """Given three scheduled jobs, then one is moved by its id, and all by what they share; a queue that no actor is
    declared for, and none at all, are refused before anything is done."""
    ids = [await later("--tag", "m") for _ in range(3)]
    done = await callboard("jobs", "move", ids[0], "--to-queue", "email")
    assert done.out == f"Job {ids[0]} is moved.\n"
    all_of_them = ["jobs", "move", "--tag", "m", "--yes", "--wait", "--json"]
    assert (await callboard(*all_of_them, "--to-queue", "nowhere")).code == 1
    assert "Say where to" in (await callboard(*all_of_them)).err
    moved = await callboard(*all_of_them, "--to-queue", "email", "--to-priority", "5")
    assert moved.json["result"] == {"changed": 3, "left": {}}
    places = await fetch(client, "select distinct queue, priority from jobs where tags = array['m']")
    assert [tuple(place) for place in places] == [("email", 5)]
    done = await callboard("jobs", "move", ids[0], "--to-priority", "5")
    assert (done.code, "is there already" in done.err) == (4, True)


async def test_a_dead_letter_is_run_again(client: Client, engine: Engine) -> None:
    """Given a dead letter, when it is retried by its id, then it runs."""
    job_id = await later()
    await fetch(client, "update jobs set state = 'failed', outcome = 2, finished_at = now(), attempt = 1")
    done = await callboard("dead", "retry", job_id)
    assert done.out == f"Job {job_id} is queued again.\n"
    assert (await ended(client, uuid.UUID(job_id))).state == "succeeded"


async def test_several_commands_at_once_do_one_thing_once(client: Client) -> None:
    """Given two who cancel the same job at once, then one does it and the other hears that it is done."""
    job_id = await later()
    both = await asyncio.gather(*(callboard_process("jobs", "cancel", job_id) for _ in range(2)))
    assert sorted(done.code for done in both) == [0, 4]
    assert await value(client, "select count(*) from audit where action = 'job.cancel'") == 1


async def test_what_a_job_logs_and_how_far_it_comes(client: Client, engine: Engine) -> None:
    """Given a job that logs, then its lines are shown, followed to its end, and read by programs; `watch` shows its
    progress until it has ended."""
    described = await enqueue(client, broker.actors["describe_async"])
    followed = await callboard("jobs", "logs", described, "-f")
    assert "described" in followed.out
    assert "answer=42" in followed.out
    read = await callboard("jobs", "logs", described, "--json")
    assert json.loads(read.out.splitlines()[0])["fields"]["answer"] == 42
    assert "It has logged nothing that fits" in (await callboard("jobs", "logs", described, "--level", "error")).err
    assert (await callboard("jobs", "logs", uuid.uuid4())).code == 3
    looped = await enqueue(client, broker.actors["loop_async"], 100, 0.01)
    watched = await callboard("jobs", "watch", looped)
    assert "100 of 100 (100 %)" in watched.out
    assert (await callboard("jobs", "show", looped, "--json")).json["progress"]["percent"] == 100.0
