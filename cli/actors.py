"""`callboard actors …`: what is declared, and pausing it."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json, say
from cli.pausing import For, Until, pause_span, paused
from cli.session import run
from cli.who import who
from runtime.client import Client
from services import actors
from services.actors import DeclaredActor

app = typer.Typer(help="Actors: what is declared; pause and resume.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The actor's name.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why: others read it while they wait.", show_default=False)]
Note = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """What is declared, with its limits, and whether it is paused."""

    async def command(client: Client) -> list[DeclaredActor]:
        async with client.session() as session:
            return await actors.listed(session)

    found = run(command)
    if as_json:
        print_json(found)
        return
    table = Table("actor", "queue", "priority", "at once", "rate", "by", "state", box=None)
    for actor in found:
        why = f"by {actor.paused_by}: {actor.reason} ({actor.held} held)"
        state = f"{paused(actor.paused_until)} {why}" if actor.is_paused else ""
        table.add_row(
            escape(actor.name), escape(actor.queue), str(actor.priority), str(actor.concurrency or ""),
            actor.rate_limit or "", escape(actor.key or ""), escape(state),
        )  # fmt: skip
    Console().print(table)


@app.command()
def pause(name: Name, reason: Reason, until: Until = None, lasts: For = None, as_json: AsJson = False) -> None:
    """Start none of its jobs, on any worker; what runs goes on."""

    async def command(client: Client) -> datetime | None:
        async with client.session() as session:
            end = await actors.pause(session, name, who=who(), reason=reason, span=pause_span(until, lasts))
            await session.commit()
        return end

    end = run(command)
    document = {"name": name, "is_paused": True, "paused_until": end}
    say(as_json, document, f"The actor {name} is {paused(end)}. What runs goes on.")


@app.command()
def resume(name: Name, reason: Note = None, as_json: AsJson = False) -> None:
    """Start its jobs again."""

    async def command(client: Client) -> None:
        async with client.session() as session:
            await actors.resume(session, name, who=who(), reason=reason)
            await session.commit()

    run(command)
    say(as_json, {"name": name, "is_paused": False}, f"The actor {name} goes on.")
