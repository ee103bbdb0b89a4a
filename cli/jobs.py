"""`callboard jobs …`: find jobs, look at them, wait for them. What is done to them: cli/verbs.py;
what is seen of them while they run: cli/live.py."""

from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import live, verbs
from cli.filters import describe, filtered, position, word
from cli.output import AsJson, print_json
from cli.session import run
from cli.times import distance, span
from db.models import Job, JobAttempt
from runtime.client import Client
from services import jobs, progress, search
from services.progress import Progress
from services.search import Count, Filter, Page, shown_state

app = typer.Typer(help="Jobs: find them, look at them, act on them.", no_args_is_help=True)

JobId = Annotated[UUID, typer.Argument(help="The job's id.", show_default=False, metavar="JOB")]

COLOURS = {
    "running": "cyan", "succeeded": "green", "failed": "red", "stalled": "red", "retrying": "yellow",
    "cancelling": "yellow", "pausing": "yellow", "paused": "magenta", "cancelled": "dim",
}  # fmt: skip


@app.command("list")
@filtered
def list_(
    only: Filter,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 25,
    before: Annotated[str | None, typer.Option(help="The page after this one.", show_default=False)] = None,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """The newest jobs; those that have ended by when they did."""
    if count:
        _print_count(run(lambda client: _count(client, only)), as_json)
    else:
        show_page(only, limit, before, as_json)


def show_page(only: Filter, limit: int, before: str | None, as_json: bool) -> None:
    start = None if before is None else position(before)
    _print_page(run(lambda client: _page(client, only, limit, start)), only, as_json)


async def _page(client: Client, only: Filter, limit: int, before: search.Position | None) -> Page:
    async with client.session() as session:
        return await search.page(session, only, limit=limit, before=before, seconds=2)


async def _count(client: Client, only: Filter) -> Count:
    async with client.session() as session:
        return await search.count(session, only, most=1_000_000, seconds=10)


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Everything of one job: arguments, result, every failed attempt."""

    async def command(client: Client) -> tuple[Job, list[JobAttempt], Progress | None]:
        async with client.session() as session:
            return (
                await jobs.get(session, job_id),
                await jobs.attempts(session, job_id),
                await progress.get(session, job_id),
            )

    job, attempts, come = run(command)
    if as_json:
        print_json(
            {
                **document(job),
                "args": job.args,
                "kwargs": job.kwargs,
                "result": job.result,
                "progress": come,
                "attempts": [_attempt(attempt) for attempt in attempts],
            }
        )
    else:
        _print_job(job, attempts, come)


@app.command()
def wait(
    job_id: JobId,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.", show_default=False)] = None,
) -> None:
    """Wait until a job has ended and print its result as JSON. Exit code 7 if it has failed, 8 if it was cancelled, 9
    if the time was over before."""
    print_json(run(lambda client: jobs.wait(client, job_id, timeout)))


verbs.add_to(app)
live.add_to(app)


def _print_count(count: Count, as_json: bool) -> None:
    if as_json:
        print_json({"jobs": count.jobs, "is_exact": count.is_exact})
    else:
        typer.echo(str(count))


def _print_page(found: Page, only: Filter, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "jobs": [document(job) for job in found.jobs],
                "next": None if found.next is None else word(found.next),
                "searched_back_to": found.searched_back_to,
            }
        )
        return
    if found.jobs:
        Console().print(_table(found.jobs))
    elif found.searched_back_to is None:
        typer.echo(_nothing(only))
    if found.searched_back_to is not None:
        typer.echo(f"Searched back to {found.searched_back_to:%Y-%m-%d %H:%M:%S} UTC; then the time was over.")
    if found.next is not None:
        typer.echo(f"There is more: add --before {word(found.next)}")


def _nothing(only: Filter) -> str:
    if describe(only):
        return f"No job has {describe(only)}. `callboard jobs list` shows the newest of all."
    return "There is no job yet. Make one: callboard enqueue ACTOR --arg NAME=VALUE"


def _table(found: list[Job]) -> Table:
    table = Table("id", "state", "actor", "queue", "attempt", "created", "what", box=None, header_style="bold")
    for job in found:
        state = shown_state(job)
        table.add_row(
            str(job.id), f"[{COLOURS.get(state, 'default')}]{state}[/]", escape(job.actor), escape(job.queue),
            str(job.attempt), distance(job.created_at), escape(_what(job, state)),
        )  # fmt: skip
    return table


def _what(job: Job, state: str) -> str:
    """What one wants to know of a job in this state, in a few words."""
    if state in ("scheduled", "retrying"):
        return f"due {distance(job.run_at)}"
    if state == "waiting":
        return job.blocked_by or ""
    if state == "running" and job.started_at is not None:
        return f"started {distance(job.started_at)}"
    if state == "succeeded" and job.finished_at is not None and job.started_at is not None:
        return f"took {span((job.finished_at - job.started_at).total_seconds())}"
    if state in ("failed", "cancelled") and job.error:
        return f"{job.error.get('type')}: {job.error.get('message')}"[:80]
    return ""


def document(job: Job) -> dict[str, Any]:
    """What programs get of a job, without what may be large."""
    return {
        "id": job.id, "actor": job.actor, "queue": job.queue, "priority": job.priority, "state": shown_state(job),
        "attempt": job.attempt, "max_attempts": job.max_attempts, "created_at": job.created_at, "run_at": job.due_at,
        "started_at": job.started_at, "finished_at": job.finished_at, "worker": job.worker, "owner": job.owner,
        "tags": job.tags or [], "unique_key": job.unique_key, "parent_id": job.parent_id,
        "workflow_id": job.workflow_id, "blocked_by": job.blocked_by, "error": job.error,
    }  # fmt: skip


def _attempt(attempt: JobAttempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt, "worker": attempt.worker, "started_at": attempt.started_at,
        "ended_at": attempt.ended_at, "error_type": attempt.error_type, "error_message": attempt.error_message,
        "traceback": attempt.traceback,
    }  # fmt: skip


def _print_job(job: Job, attempts: list[JobAttempt], come: Progress | None) -> None:
    console = Console(highlight=False)
    table = Table(box=None, show_header=False)
    state = shown_state(job)
    for name, value in document(job).items():
        if value not in (None, [], ""):
            shown = f"[{COLOURS.get(state, 'default')}]{state}[/]" if name == "state" else escape(_text(value))
            table.add_row(f"[bold]{name}[/]", shown)
    for name, value in (("args", job.args), ("kwargs", job.kwargs), ("result", job.result)):
        if value not in (None, [], {}):
            table.add_row(f"[bold]{name}[/]", escape(_text(value)))
    if come is not None:
        table.add_row("[bold]progress[/]", escape(live.said(come)))
    console.print(table)
    for attempt in attempts:
        took = span((attempt.ended_at - attempt.started_at).total_seconds())
        console.print(f"\n[bold]Attempt {attempt.attempt}[/], {distance(attempt.started_at)}, after {took}:")
        console.print(escape(attempt.traceback or f"{attempt.error_type}: {attempt.error_message}"), soft_wrap=True)


def _text(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict | list | bool) else str(value)
