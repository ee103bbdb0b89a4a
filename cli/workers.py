"""`callboard workers …`: the worker processes that are believed to live."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json
from cli.session import run
from cli.times import distance
from runtime.client import Client
from services import workers
from services.workers import LivingWorker

app = typer.Typer(help="Worker processes.", no_args_is_help=True)


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
        table = Table("id", "host", "pid", "queues", "running", "room", "started", "heard of", "version", box=None)
        for worker in found:
            table.add_row(
                str(worker.id), escape(worker.host), str(worker.pid), escape(", ".join(worker.queues)),
                str(worker.running), f"{worker.async_slots} async, {worker.threads} threads",
                distance(worker.started_at), distance(worker.heartbeat_at), escape(worker.version),
            )  # fmt: skip
        Console().print(table)
    else:
        typer.echo("No worker lives: no job is run. Start one: dramatiq actors")
