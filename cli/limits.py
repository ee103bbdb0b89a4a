"""`callboard limits …`: what the keys of an actor allow, and setting it otherwise than the code declares it."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import AsJson, print_json, say
from cli.session import run
from cli.who import who
from runtime.client import Client
from services import limits
from services.limits import LimitInUse

app = typer.Typer(help="Limits of actors: what is taken of them; set and reset.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The actor's name, or `actor:value` of one with a key.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why: others read it.", show_default=False)]
Note = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


@app.command("list")
def list_(
    actor: Annotated[str, typer.Argument(help="The actor's name.", show_default=False)], as_json: AsJson = False
) -> None:
    """Its keys that are set or were used last: what they allow, and how much of that is taken."""

    async def command(client: Client) -> list[LimitInUse]:
        async with client.session() as session:
            return await limits.of_actor(session, actor)

    found = run(command)
    if as_json:
        print_json(found)
        return
    table = Table("key", "running", "started", "waiting", "set", box=None)
    for one in found:
        waiting = f"{one.waiting}{'+' if one.waiting >= limits.COUNTED else ''}"
        table.add_row(
            escape(one.key), f"{one.running} of {one.concurrency}" if one.concurrency else str(one.running),
            f"{one.started} of {one.rate_limit}" if one.rate else "", waiting, escape(_told(one)),
        )  # fmt: skip
    Console().print(table)


@app.command("set")
def set_(
    key: Key,
    reason: Reason,
    concurrency: Annotated[int | None, typer.Option(help="How many may run at once.", show_default=False)] = None,
    rate: Annotated[str | None, typer.Option(help="How many may start: 10/s, 10/m, 10/h.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Let more of its jobs run or start, or fewer, whatever the code declares, until it is reset."""

    async def command(client: Client) -> LimitInUse:
        async with client.session() as session:
            found = await limits.set_(session, key, who=who(), reason=reason, concurrency=concurrency, rate=rate)
            await session.commit()
        return found

    found = run(command)
    say(as_json, found, f"{key}: {_allows(found)}. The code has {found.declared}. What runs goes on.")


@app.command()
def reset(key: Key, reason: Note = None, as_json: AsJson = False) -> None:
    """It is as the code declares it again."""

    async def command(client: Client) -> LimitInUse:
        async with client.session() as session:
            found = await limits.reset(session, key, who=who(), reason=reason)
            await session.commit()
        return found

    found = run(command)
    say(as_json, found, f"{key}: {_allows(found)}, as the code has it.")


def _allows(found: LimitInUse) -> str:
    most = [f"{found.concurrency} at once"] if found.concurrency else []
    return ", ".join(most + ([f"{found.rate_limit} started"] if found.rate else [])) or "no limit"


def _told(found: LimitInUse) -> str:
    return f"by {found.set_by}: {found.set_reason} (the code has {found.declared})" if found.set_by else ""
