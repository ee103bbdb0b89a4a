"""How fast pages are with a month of use behind them: `python -m benchmarks.pages`, on embedded servers or on those of
DATABASE_URL and REDIS_URL.

Makes a database with a million jobs (benchmarks/months.py), starts the web process, and asks every page, every filter
of the search grammar and every list of the API twenty times, one after the other. The slowest come first. Beside the
time that the answer took, as the one who asked saw it, stands what it cost: CPU of the web process and of PostgreSQL,
which says more on a machine that is busy with other things. At the end Chromium, if there is one, opens the list of
jobs, and says when it had painted something. It fails if one is not answered as it should be.

With `--keep FOLDER` the database stays in that folder, and is used again if it is there.
"""

import asyncio
import math
import socket
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import orjson
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.months import RARE_ACTOR, RARE_OWNER, RARE_QUEUE, RARE_TAG, RARE_TYPE, RARE_WORD, fill
from benchmarks.painting import first_paints
from benchmarks.place import Place
from db.migrate import upgrade
from local.home import prepare
from local.servers import running
from services.callers import digest
from tests.support.databases import empty_redis
from web.api import cursor

GOAL = 150  # ms, p95
SESSION = "the-session-of-the-benchmark"

# A row of each kind to look at.
IDS = """
select (select id from jobs where outcome = 1 and tags is not null order by created_at desc limit 1) as job,
       (select id from jobs where outcome = 2 order by finished_at desc limit 1) as failed,
       (select job_id from job_logs group by job_id order by count(*) desc limit 1) as logged,
       (select id from jobs where state = 'waiting' limit 1) as waiting,
       (select parent_id from jobs where parent_id is not null order by created_at desc limit 1) as parent,
       (select worker from jobs where state = 'running' limit 1) as worker,
       (select unique_key from jobs where unique_key is not null order by created_at limit 1) as key,
       (select fingerprint from error_groups order by occurrences desc limit 1) as error_group,
       (select fingerprint from error_groups order by occurrences limit 1) as rare_group,
       (select schedule_id from scheduled_job_executions group by 1 order by count(*) desc limit 1) as schedule,
       (select id from workflows order by created_at desc limit 1) as large_workflow,
       (select id from workflows order by created_at limit 1) as workflow,
       (select name from workflow_steps s where s.workflow_id = (select id from workflows order by created_at limit 1)
        limit 1) as step,
       (select id from emails order by created_at desc limit 1) as email,
       (select id from webhook_deliveries order by id desc limit 1) as delivery,
       (select id from webhook_messages order by id desc limit 1) as message,
       (select id from webhook_endpoints order by id limit 1) as endpoint,
       (select id from audit order by id offset 100 limit 1) as audit
"""
# Where a page begins that is far behind the first one: jobs, mails, workflows.
FAR = """
select (select (created_at, id) from jobs order by created_at offset 1000 limit 1) as job,
       (select (finished_at, id) from jobs where outcome = 2 order by finished_at offset 100 limit 1) as failed,
       (select (created_at, id) from emails order by created_at offset 100 limit 1) as email,
       (select (created_at, id) from workflows order by created_at offset 50 limit 1) as workflow,
       (select id from webhook_deliveries order by id offset 50 limit 1) as delivery
"""

ACCOUNT = "insert into users (id, name, role) values ($1, 'benchmark', 'admin') on conflict do nothing"
SIGNED_IN = """
insert into user_sessions (token_hash, user_id, expires_at)
select $1, id, now() + interval '1 day' from users where name = 'benchmark'
on conflict (token_hash) do update set expires_at = excluded.expires_at
"""


BACKENDS = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Asked:
    """How one question was answered; times in milliseconds, `web` and `database` are CPU."""

    question: str
    status: int
    is_expected: bool
    p50: float
    p95: float
    web: float
    database: float
    bytes: int


@dataclass(frozen=True)
class Question:
    path: str
    block: str | None = None  # only this block of the page, as its script asks for it when something has changed
    status: int = 200  # of its answer

    def __str__(self) -> str:
        return self.path + (f" ({self.block})" if self.block else "")

    @property
    def headers(self) -> dict[str, str]:
        return {"HX-Request": "true", "HX-Target": f"section#{self.block}"} if self.block else {}


def searches(ids: dict[str, Any]) -> list[str]:
    """The search grammar: values that are common, rare, and nowhere, alone and together."""
    nowhere = uuid.UUID(int=7)
    states = ("waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled", "scheduled", "retrying")
    return [
        *(f"state:{state}" for state in (*states, "cancelling", "pausing", "stalled")),
        "actor:send_email", f"actor:{RARE_ACTOR}", "actor:nobody",
        "queue:default", f"queue:{RARE_QUEUE}", "queue:nowhere",
        "owner:team-7", f"owner:{RARE_OWNER}", "owner:nobody",
        "tag:nightly", "tag:customer:77", f"tag:{RARE_TAG}", "tag:nothing", "tag:nightly tag:customer:78",
        f"worker:{ids['worker']}", f"worker:{nowhere}",
        f"parent:{ids['parent']}", f"parent:{nowhere}",
        f"key:{ids['key']}", "key:none",
        "type:TimeoutError", f"type:{RARE_TYPE}", "type:NoSuchError",
        "error:502", "error:zanzibar", "error:nowhere-to-be-found",
        f"group:{ids['error_group']}", f"group:{ids['rare_group']}", f"group:{'0' * 32}",
        f"arg:{RARE_WORD}", "arg:customer-77", "arg:nowhere-to-be-found", "order-4711", RARE_WORD,
        f"id:{ids['job']}",
        "created:<2h", "created:>20d", "created:15d", "created:<1s", "finished:<2h", "finished:>20d",
        "state:failed type:TimeoutError", "state:failed error:502", "state:failed error:nowhere",
        "state:failed actor:send_email", f"state:failed actor:{RARE_ACTOR}", "state:failed queue:reports created:<2d",
        "state:failed finished:<1d", "state:succeeded finished:>25d", "state:succeeded owner:team-7 tag:nightly",
        f"state:cancelled owner:{RARE_OWNER}", "state:succeeded queue:nowhere", "state:queued queue:reports",
        "state:queued actor:send_email", "actor:send_email queue:email owner:team-9", "actor:send_email queue:nowhere",
        "actor:send_email owner:grace", "owner:team-7 queue:nowhere", "queue:reports type:TimeoutError",
        "actor:send_email arg:nowhere", f"actor:{RARE_ACTOR} arg:order", "tag:nightly queue:nowhere",
        "created:<1d arg:order-99", "created:>29d queue:imports", "state:succeeded arg:customer-77 finished:>10d",
        f"worker:{ids['worker']} state:failed", f"worker:{ids['worker']} actor:{RARE_ACTOR}",
        f"group:{ids['error_group']} actor:send_email", f"group:{ids['error_group']} queue:nowhere",
    ]  # fmt: skip


def pages(ids: dict[str, Any], far: dict[str, Any]) -> Iterator[Question]:
    """The console's."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    before = {name: cursor.encode(*at) for name, at in far.items() if isinstance(at, tuple)}
    for search in searches(ids):
        yield Question(f"/jobs?q={quote(search)}", status=303 if search.startswith("id:") else 200)
    yield from map(Question, [
        *(f"/?period={period}" for period in ("1h", "24h", "7d", "30d")),
        "/jobs", "/jobs?size=200", f"/jobs?before={before['job']}", f"/jobs?q=state:failed&before={before['failed']}",
        f"/jobs?q=queue:default&before={before['job']}", "/jobs/views", "/jobs/bulk?q=state:failed",
        "/jobs/bulk?q=queue:default", f"/jobs/bulk?q=arg:{RARE_WORD}",
        *(f"/jobs/{ids[name]}" for name in ("job", "failed", "logged", "waiting", "parent")),
        f"/jobs/{ids['failed']}/edit", f"/jobs/{ids['failed']}/glance",
        f"/jobs?top={before['job']}", f"/jobs?q=state:failed&top={before['failed']}",
        f"/jobs/{ids['logged']}?level=error", f"/jobs/{ids['logged']}?text=nowhere",
        f"/jobs/{ids['logged']}?level=warning&text=partner",
        *(f"/errors?period={period}" for period in ("24h", "7d", "30d")),
        "/errors?period=30d&show=all&text=order", "/errors?period=30d&actor=send_email",
        "/errors?period=30d&show=muted",
        *(f"/errors/{ids['error_group']}?period={period}" for period in ("24h", "30d")), f"/errors/{ids['rare_group']}",
        "/schedules", "/schedules?text=nightly", "/schedules?text=nowhere", "/schedules?source=code",
        *(f"/schedules?show={show}" for show in ("enabled", "disabled", "late", "failing", "broken")),
        "/schedules?after=Partner", "/schedules/calendar", "/schedules/calendar?zone=Europe/Berlin", "/schedules/new",
        *(f"/schedules/{ids['schedule']}{rest}" for rest in (
            "", "?page=1000", "/edit", "/run", "/delete", "/backfill",
            f"/backfill?start={yesterday}T00:00&end={yesterday}T06:00",
        )),
        "/workflows", *(f"/workflows?state={state}" for state in ("running", "failed", "compensated")),
        "/workflows?name=close_year", "/workflows?name=nothing", f"/workflows?before={before['workflow']}",
        *(f"/workflows/{ids[name]}{tab}" for name in ("workflow", "large_workflow")
          for tab in ("", "?tab=graph", "?tab=timeline", "?tab=steps")),
        f"/workflows/{ids['workflow']}/step?name={quote(ids['step'])}",
        "/queues", *(f"/queues/default?period={period}" for period in ("1h", "24h", "7d", "30d")),
        f"/queues/{RARE_QUEUE}",
        "/queues/default/pause", "/queues/default/purge", "/queues/default/purge?what=finished",
        f"/workers/{ids['worker']}",
        "/deliveries", "/deliveries?status=bounced", "/deliveries?status=complained", "/deliveries?status=delivered",
        "/deliveries?status=queued", "/deliveries?address=user77@example.com", "/deliveries?address=nobody@example.com",
        "/deliveries?tag=invoice", "/deliveries?tag=rare", "/deliveries?tag=nothing", "/deliveries?template=nothing",
        "/deliveries?answer=550", "/deliveries?answer=nothing",
        "/deliveries/emails/resend?status=failed&answer=nothing",
        "/deliveries?period=30d&status=failed", f"/deliveries?before={before['email']}",
        f"/deliveries/emails/{ids['email']}", "/deliveries/suppressions",
        "/deliveries/suppressions?address=gone77@example.com",
        "/deliveries/webhooks", "/deliveries/webhooks?outcome=exhausted", "/deliveries/webhooks?outcome=gone",
        "/deliveries/webhooks?outcome=pending", "/deliveries/webhooks?outcome=cancelled",
        "/deliveries/webhooks?event_type=order.lost",
        *(f"/deliveries/webhooks?answer={answer}" for answer in ("404", "5xx", "none", "dns")),
        "/deliveries/webhooks?event_type=nothing", f"/deliveries/webhooks?endpoint={ids['endpoint']}&outcome=gone",
        "/deliveries/webhooks?period=30d&outcome=exhausted", f"/deliveries/webhooks?before={far['delivery']}",
        f"/deliveries/webhooks/{ids['delivery']}", "/deliveries/webhooks/replay?outcome=exhausted",
        "/deliveries/endpoints", f"/deliveries/endpoints/{ids['endpoint']}",
        *(f"/actors?period={period}" for period in ("1h", "24h", "7d", "30d")),
        *(f"/actors/send_email?period={period}" for period in ("1h", "24h", "30d")), f"/actors/{RARE_ACTOR}",
        "/actors/send_email/enqueue", "/actors/send_email/pause",
        "/settings/users", "/settings/sessions", "/settings/keys", "/settings/keys/key%20100", "/settings/values",
        "/settings/masking", "/settings/about", "/settings/retention", "/settings/alerts", "/attention",
        f"/settings/audit?from={yesterday}T00:00&to={yesterday}T06:00", "/settings/audit", "/settings/audit?who=grace",
        "/settings/audit?who=nobody",
        "/settings/audit?action=job.cancel&target=nothing", f"/settings/audit?job={ids['failed']}",
        f"/settings/audit?before={ids['audit']}",
    ])  # fmt: skip
    # What an open page asks for again and again.
    for path, block in (("/", "now"), ("/", "charts"), ("/jobs", "states"), ("/jobs", "rows")):
        yield Question(path, block)


def api(ids: dict[str, Any], far: dict[str, Any]) -> Iterator[Question]:
    """The lists of the API, and one of each kind."""
    before = {name: cursor.encode(*at) for name, at in far.items() if isinstance(at, tuple)}
    yield from (Question(f"/api/v1{path}") for path in [
        "/jobs", "/jobs?limit=200", "/jobs?state=failed", f"/jobs?before={before['job']}", "/jobs?queue=nowhere",
        f"/jobs?arguments={RARE_WORD}", "/jobs?error=nowhere", f"/jobs?schedule_id={ids['schedule']}",
        f"/jobs?schedule_id={ids['schedule']}&state=failed", "/jobs?among_actors=send_email&among_actors=translate",
        "/jobs?among_queues=nowhere", "/jobs/count", "/jobs/count?state=failed", "/jobs/count?queue=nowhere",
        "/jobs/count?arguments=nowhere", f"/jobs/{ids['failed']}", f"/jobs/{ids['failed']}/attempts",
        f"/jobs/{ids['logged']}/logs?tail=1000", f"/jobs/{ids['logged']}/logs?text=nowhere",
        "/dead-letters", "/dead-letters?queue=nowhere", "/stats?hours=1", "/stats?hours=720",
        "/queues", "/queues/default", "/actors", "/workers",
        "/scheduler/job-types", "/scheduler/task-functions", "/scheduler/status", "/scheduler/jobs",
        "/scheduler/jobs?page=25&per_page=200",
        "/scheduler/jobs?enabled=false", "/scheduler/jobs?task_function=send_email", "/scheduler/executions",
        "/scheduler/executions?per_page=200&page=100", f"/scheduler/executions?job_id={ids['schedule']}",
        *(f"/scheduler/executions?status={status}" for status in ("failed", "skipped", "running", "unknown", "shadow")),
        f"/scheduler/executions?job_id={ids['schedule']}&status=cancelled",
        f"/scheduler/jobs/{ids['schedule']}", f"/scheduler/jobs/{ids['schedule']}/versions",
        "/workflows", "/workflows?state=compensated", f"/workflows/{ids['workflow']}",
        f"/workflows/{ids['large_workflow']}",
        "/emails", "/emails?status=complained", "/emails?address=nobody@example.com",
        f"/emails?before={before['email']}",
        f"/emails/{ids['email']}", "/suppressions", "/suppressions?reason=complaint&limit=1000",
        "/webhooks/endpoints", "/webhooks/messages", "/webhooks/messages?event_type=nothing",
        f"/webhooks/messages/{ids['message']}",
        "/webhooks/deliveries", "/webhooks/deliveries?pending=true", "/webhooks/deliveries?outcome=cancelled",
        f"/webhooks/deliveries/{ids['delivery']}", "/users", "/keys", "/audit", "/audit?who=nobody",
        "/audit?action=job.cancel",
    ])  # fmt: skip
    yield from map(Question, ["/health", "/ready", "/metrics"])
    yield Question(f"/api/v1/jobs/{ids['logged']}/progress", status=404)
    yield Question("/health/scheduler", status=503)  # none runs here


def cpu(pids: list[int]) -> float:
    """Milliseconds that these processes have spent so far, those that are gone meanwhile left out."""
    spent = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += (times.user + times.system) * 1000
    return spent


async def ask(http: httpx.AsyncClient, question: Question, times: int, web: int, backends: list[int]) -> Asked:
    taken = []
    before = cpu([web]), cpu(backends)
    for _ in range(times):
        started = time.perf_counter()
        response = await http.get(question.path, headers=question.headers)
        taken.append((time.perf_counter() - started) * 1000)
    after = cpu([web]), cpu(backends)
    taken.sort()
    return Asked(
        str(question), response.status_code, response.status_code == question.status,
        statistics.median(taken), taken[math.ceil(times * 0.95) - 1],
        (after[0] - before[0]) / times, (after[1] - before[1]) / times, len(response.content),
    )  # fmt: skip


@asynccontextmanager
async def web(place: Place) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    """The web process, and the browser of somebody who is signed in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with (
        place.process("uvicorn", "--port", str(port), "--log-level", "info", "--no-access-log", "web:app") as process,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            cookies={"callboard_session": SESSION},
            headers={"Accept": "text/html"},
            timeout=600,
            trust_env=False,
        ) as http,
    ):
        yield http, process.pid


async def run(
    place: Place, jobs: int, live: int, only: str | None, times: int, console: Console
) -> tuple[list[Asked], list[float]]:
    """The answers, the slowest first, and how soon Chromium has painted the list of jobs."""
    await upgrade(place.settings())
    async with place.database() as connection:
        is_filled = await connection.fetchval("select exists (select from jobs)")
    if not is_filled:
        await fill(place, jobs, live, lambda said: console.print(said, highlight=False))
    async with place.database() as connection:
        await connection.execute(ACCOUNT, uuid.uuid4())
        await connection.execute(SIGNED_IN, digest(SESSION))
        ids = dict(await connection.fetchrow(IDS, timeout=600))
        far = dict(await connection.fetchrow(FAR, timeout=600))
        answers = []
        async with web(place) as (http, pid):
            for question in [*pages(ids, far), *api(ids, far)]:
                if only and only not in str(question):
                    continue
                backends = [row["pid"] for row in await connection.fetch(BACKENDS)]
                answers.append(await ask(http, question, times, pid, backends))
            paints = await first_paints(f"{http.base_url}/jobs", {"callboard_session": SESSION}, times)
    return sorted(answers, key=lambda answer: -answer.p95), paints


def show(answers: list[Asked], paints: list[float], console: Console) -> None:
    table = Table("", "status", "p50 ms", "p95 ms", "web CPU ms", "database CPU ms", "KB")
    for answer in answers:
        figures = (answer.p50, answer.p95, answer.web, answer.database, answer.bytes / 1024)
        table.add_row(answer.question, str(answer.status), *(f"{figure:,.1f}" for figure in figures))
    console.print(table)
    slow = sum(answer.p95 > GOAL for answer in answers)
    console.print(f"{len(answers)} questions, {slow} with a p95 above {GOAL} ms", highlight=False)
    if paints:
        p50, p95 = statistics.median(paints), paints[math.ceil(len(paints) * 0.95) - 1]
        console.print(f"first paint of the list of jobs: {p50:.0f} ms p50, {p95:.0f} ms p95", highlight=False)
    else:
        console.print("There is no Chromium here: first paints were not measured.")


@contextmanager
def kept(home: Path) -> Iterator[Place]:
    """On embedded servers in that folder, which stays."""
    for log in home.glob("*.log"):
        log.unlink()  # what an earlier run said
    with running(prepare(home), {}) as urls:
        yield Place(home.resolve(), urls["DATABASE_URL"], asyncio.run(empty_redis(urls["REDIS_URL"])), OPTIONS)


OPTIONS = {"RATE_LIMIT": "0"}


def main(
    only: Annotated[str | None, typer.Argument(help="Only the questions with this text in them.")] = None,
    times: Annotated[int, typer.Option(min=1, help="How often each is asked.")] = 20,
    jobs: Annotated[int, typer.Option(min=10_000, help="Jobs in the database.")] = 1_000_000,
    live: Annotated[int, typer.Option(min=1_000, help="Of these, jobs that have not ended.")] = 20_000,
    json: Annotated[Path | None, typer.Option(help="A file for everything that was measured.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder in which the database stays.")] = None,
) -> None:
    """How fast the console's pages and the API's lists are over a month of use."""
    console = Console(width=200)
    with kept(keep) if keep else Place.made(OPTIONS) as place:
        about = asyncio.run(describe(place))
        answers, paints = asyncio.run(run(place, jobs, live, only, times, console))
    show(answers, paints, console)
    wrong = [answer for answer in answers if not answer.is_expected]
    if json:
        document = {"about": about, "answers": [asdict(answer) for answer in answers], "paints": paints}
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    if wrong:
        console.print("Not answered as they should be: " + ", ".join(f"{one.question} ({one.status})" for one in wrong))
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
