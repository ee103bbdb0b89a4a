"""`callboard queues …`: what is in them, and pausing them."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json, say
from cli.pausing import For, Until, pause_span, paused
from cli.session import run
from cli.times import span
from cli.who import who
from runtime.client import Client
from services import queues
from services.queues import Queue

app = typer.Typer(help="Queues: what is in them; pause and resume.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The queue's name.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why: others read it while they wait.", show_default=False)]
Note = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """What is in each queue, how old, and whether it is paused."""

    async def command(client: Client) -> list[Queue]:
        async with client.session() as session:
            return await queues.listed(session)

    found = run(command)
    if as_json:
        print_json(found)
        return
    table = Table("queue", "due", "oldest", "running", "later", "held", "state", box=None)
    for queue in found:
        more = "+" if queue.is_capped else ""
        state = f"{paused(queue.paused_until)} by {queue.paused_by}: {queue.reason}" if queue.is_paused else ""
        oldest = "" if queue.oldest is None else span(queue.oldest)
        table.add_row(
            escape(queue.name), f"{queue.due}{more}", oldest, str(queue.running), f"{queue.later}{more}",
            f"{queue.held}{more}", escape(state),
        )  # fmt: skip
    Console().print(table)


@app.command()
def pause(name: Name, reason: Reason, until: Until = None, lasts: For = None, as_json: AsJson = False) -> None:
    """Start nothing from it, on any worker; what runs goes on."""

    async def command(client: Client) -> datetime | None:
        async with client.session() as session:
            end = await queues.pause(session, name, who=who(), reason=reason, span=pause_span(until, lasts))
            await session.commit()
        return end

    end = run(command)
    document = {"name": name, "is_paused": True, "paused_until": end}
    say(as_json, document, f"The queue {name} is {paused(end)}. What runs goes on.")


@app.command()
def resume(name: Name, reason: Note = None, as_json: AsJson = False) -> None:
    """Start its jobs again."""

    async def command(client: Client) -> None:
        async with client.session() as session:
            await queues.resume(session, name, who=who(), reason=reason)
            await session.commit()

    run(command)
    say(as_json, {"name": name, "is_paused": False}, f"The queue {name} goes on.")
