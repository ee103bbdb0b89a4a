"""`callboard jobs logs` and `watch`: jobs while they run."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from cli.session import run
from cli.times import span
from db.models import Job
from runtime.client import Client
from services import jobs, logs, progress, search
from services.logs import Level, Line
from services.progress import Progress
from services.search import Filter, shown_state

_MOST = 50  # jobs on a screen
_LEAST = 0.2  # seconds between two looks
_STYLES = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}


def add_to(app: typer.Typer) -> None:
    app.command("logs")(show_logs)
    app.command("watch")(watch)


def show_logs(
    job_id: Annotated[UUID, typer.Argument(show_default=False, metavar="JOB")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And those that come, until it has ended.")] = False,
    tail: Annotated[int, typer.Option(min=1, max=logs.MOST, help="How many of the last lines.")] = 100,
    level: Annotated[Level | None, typer.Option(help="Of this level or graver.", show_default=False)] = None,
    attempt: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help="Of this attempt only.", show_default=False)
    ] = None,
    text: Annotated[str | None, typer.Option(help="With this text in them.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each line as JSON, for programs.")] = False,
) -> None:
    """What a job has logged."""
    only = logs.Filter(level=level, attempt=attempt, text=text)

    async def command(client: Client) -> None:
        shown = 0
        async for line in _lines(client, job_id, tail, only, follow):
            _print_line(line, as_json)
            shown += 1
        if not shown and not as_json:
            typer.echo("It has logged nothing that fits. In its actor: current_job().log.info(...)", err=True)

    run(command)


async def _lines(client: Client, job_id: UUID, tail: int, only: logs.Filter, follow: bool) -> AsyncIterator[Line]:
    async with client.session() as session:
        await jobs.get(session, job_id)  # raises NotFound
        last = await logs.tail(session, job_id, tail, only)
    for line in last:
        yield line
    if follow:
        async for line in logs.follow(client, job_id, last[-1].position if last else None, only):
            yield line


def _print_line(line: Line, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(line, option=orjson.OPT_UTC_Z))
        return
    fields = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in line.fields.items())
    style = _STYLES.get(line.level, "default")
    text = (
        f"{line.at:%H:%M:%S} {line.attempt} [{style}]{line.level:<8}[/] {escape(line.message)} [dim]{escape(fields)}[/]"
    )
    Console(highlight=False).print(text, soft_wrap=True)


def watch(
    job_ids: Annotated[
        list[UUID] | None,
        typer.Argument(
            help="Which; until they have ended. None: all that run.", show_default=False, metavar="[JOB]..."
        ),
    ] = None,
) -> None:
    """Progress, live. Ctrl-C ends the watching, not the jobs."""

    async def command(client: Client) -> None:
        with Live(console=Console(), auto_refresh=False) as screen:
            async with client.watcher.watch(*(job_ids or ())) as changes:
                while True:
                    found, come = await _look(client, job_ids)
                    screen.update(_table(found, come), refresh=True)
                    if job_ids and all(job.outcome is not None for job in found):
                        return
                    await changes.changed()
                    await asyncio.sleep(_LEAST)

    try:
        run(command)
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _look(client: Client, job_ids: list[UUID] | None) -> tuple[list[Job], dict[UUID, Progress]]:
    async with client.session() as session:
        if job_ids:
            found = [await jobs.get(session, job_id) for job_id in job_ids]
        else:
            found = (await search.page(session, Filter(state="running"), limit=_MOST, seconds=2)).jobs
        return found, await progress.of_jobs(session, [job.id for job in found])


def _table(found: list[Job], come: dict[UUID, Progress]) -> Table:
    table = Table("id", "actor", "state", "", "progress", box=None, header_style="bold")
    for job in found:
        told = come.get(job.id)
        bar = ProgressBar(total=told.total, completed=told.current, width=30) if told and told.total else ""
        table.add_row(str(job.id), escape(job.actor), shown_state(job), bar, escape(said(told)) if told else "")
    if not found:
        table.caption = "No job runs."
    return table


def said(told: Progress) -> str:
    """`40 of 100 (40 %), 5/s, 12 s left: reading`."""
    parts = [f"{told.current:g}" if told.total is None else f"{told.current:g} of {told.total:g}"]
    if told.percent is not None:
        parts[0] += f" ({told.percent:.0f} %)"
    if told.rate is not None:
        parts.append(f"{told.rate:.3g}/s")
    if told.eta is not None:
        parts.append(f"{span(told.eta)} left")
    return ", ".join(parts) + (f": {told.message}" if told.message else "")
