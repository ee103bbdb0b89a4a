"""`callboard errors …`: what fails, as groups of the same error, whatever values its messages have."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli.output import AsJson, print_json, say
from cli.session import run
from cli.times import distance
from cli.who import who
from runtime.client import Client
from services import errors

app = typer.Typer(help="Errors: what fails, how often; mute, resolve, link an issue.", no_args_is_help=True)

Fingerprint = Annotated[str, typer.Argument(help="The group's fingerprint, from `list`.", show_default=False)]
Hours = Annotated[int, typer.Option(min=1, max=720, help="How far back is looked.")]


@app.command("list")
def list_(
    hours: Hours = 24,
    show: Annotated[errors.Show, typer.Option(help="open, muted, resolved or all.")] = "open",
    actor: Annotated[str | None, typer.Option(help="Only those of this actor.")] = None,
    text: Annotated[str | None, typer.Option(help="Only those with this in their type or message.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 25,
    as_json: AsJson = False,
) -> None:
    """What was seen within the last hours, the most frequent first."""

    async def command(client: Client) -> list[errors.Group]:
        async with client.session() as session:
            return await errors.groups(session, hours, actor=actor, show=show, text=text, most=limit)

    found = run(command)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo(f"Nothing that is {show} within the last {hours} h." if show != "all" else "No error.")
        return
    table = Table(Column("fingerprint", no_wrap=True), "seen", "last", "state", "actors", "error", box=None)
    for group in found:
        table.add_row(
            group.fingerprint, f"{group.occurrences:,}", distance(group.last_seen_at), group.state,
            escape(", ".join(group.actors)), escape(f"{group.error_type}: {group.pattern}"[:120]),
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(fingerprint: Fingerprint, hours: Hours = 168, as_json: AsJson = False) -> None:
    """One group: whose jobs have it, the attempts seen last, and the traceback of the last one."""

    async def command(client: Client) -> errors.Sample:
        async with client.session() as session:
            return await errors.sample(session, fingerprint, hours)

    sample = run(command)
    group = {name: getattr(sample.group, name) for name in _OF_GROUP}
    traceback = sample.attempt.traceback if sample.attempt else None
    if as_json:
        latest = [row._asdict() for row in sample.latest]
        workers = [dataclasses.asdict(one) for one in sample.workers]
        print_json(
            group | {"actors": dict(sample.actors), "workers": workers, "latest": latest, "traceback": traceback}
        )  # fmt: skip
        return
    console = Console()
    for name, value in group.items():
        if value is not None:
            console.print(f"{name:>14}  {value}", markup=False, highlight=False)
    for actor, number in sample.actors:
        console.print(f"{number:>14,}  times {actor}", markup=False, highlight=False)
    for row in sample.latest[:5]:
        last = f"{row.job_id}  attempt {row.attempt}, {distance(row.ended_at)}, now {row.state}"
        console.print(f"{'job':>14}  {last}", markup=False, highlight=False)
    if traceback:
        console.print(f"\n{traceback}", markup=False, highlight=False)


@app.command()
def mute(fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """Do not list it among the open ones any more."""
    _change(fingerprint, errors.mute, as_json, "muted", on=True)


@app.command()
def unmute(fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """List it again."""
    _change(fingerprint, errors.mute, as_json, "listed again", on=False)


@app.command()
def resolve(fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """It is done with: should it be seen again, it has returned."""
    _change(fingerprint, errors.resolve, as_json, "resolved", on=True)


@app.command()
def reopen(fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """It is not done with."""
    _change(fingerprint, errors.resolve, as_json, "open again", on=False)


@app.command()
def link(
    fingerprint: Fingerprint,
    url: Annotated[str, typer.Argument(help="Of the issue in which people work on it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say where people work on it."""
    _change(fingerprint, errors.link, as_json, "linked", url=url)


@app.command()
def unlink(fingerprint: Fingerprint, as_json: AsJson = False) -> None:
    """Take its issue off."""
    _change(fingerprint, errors.unlink, as_json, "without an issue")


_OF_GROUP = (
    "fingerprint", "error_type", "pattern", "occurrences", "first_seen_at", "last_seen_at", "muted_at", "muted_by",
    "resolved_at", "resolved_by", "issue_url", "issue_by",
)  # fmt: skip


def _change(
    fingerprint: str, change: Callable[..., Awaitable[None]], as_json: bool, done: str, **options: Any
) -> None:  # fmt: skip
    async def command(client: Client) -> None:
        async with client.session() as session:
            await change(session, fingerprint, who=who(), **options)
            await session.commit()

    run(command)
    say(as_json, {"fingerprint": fingerprint, "done": done}, f"{fingerprint} is {done}.")
