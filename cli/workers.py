"""`callboard workers …`: the worker processes that are believed to live; draining one."""

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json, say
from cli.session import run
from cli.times import distance
from cli.who import who
from runtime.client import Client
from services import workers
from services.workers import LivingWorker

app = typer.Typer(help="Worker processes: list, drain, resume.", no_args_is_help=True)

Worker = Annotated[UUID, typer.Argument(help="The worker's id, from `list`.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why: others read it meanwhile.", show_default=False)]
Note = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Who lives, since when, with how many jobs in hand."""

    async def command(client: Client) -> list[LivingWorker]:
        async with client.session() as session:
            return await workers.living(session)

    found = run(command)
    if as_json:
        print_json(found)
    elif found:
        table = Table(
            "id", "host", "pid", "queues", "running", "room", "memory", "cpu", "started", "heard of", "version",
            "state", box=None,
        )  # fmt: skip
        for worker in found:
            table.add_row(
                str(worker.id), escape(worker.host), str(worker.pid), escape(", ".join(worker.queues)),
                str(worker.running), f"{worker.async_slots} async, {worker.threads} threads",
                "" if worker.memory is None else f"{worker.memory / 2**20:.0f} MiB",
                "" if worker.cpu is None else f"{worker.cpu:.0f} %",
                distance(worker.started_at), distance(worker.heartbeat_at), escape(worker.version),
                escape(f"draining for {worker.drained_by}: {worker.reason}" if worker.is_draining else ""),
            )  # fmt: skip
        Console().print(table)
    else:
        typer.echo("No worker lives: no job is run. Start one: dramatiq actors")


@app.command()
def drain(worker: Worker, reason: Reason, as_json: AsJson = False) -> None:
    """Let it take no more jobs; it ends those that it runs."""

    async def command(client: Client) -> LivingWorker:
        async with client.session() as session:
            found = await workers.drain(session, worker, who=who(), reason=reason)
            await session.commit()
        return found

    found = run(command)
    say(as_json, found, f"{found.host} {found.pid} takes no more jobs. It runs {found.running} still.")


@app.command()
def resume(worker: Worker, reason: Note = None, as_json: AsJson = False) -> None:
    """Let it take jobs again."""

    async def command(client: Client) -> LivingWorker:
        async with client.session() as session:
            found = await workers.go_on(session, worker, who=who(), reason=reason)
            await session.commit()
        return found

    found = run(command)
    say(as_json, found, f"{found.host} {found.pid} takes jobs again.")
