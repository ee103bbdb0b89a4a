"""`callboard keys …`: programs' keys for the API."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.confirm import Yes, confirm
from cli.output import AsJson, print_json, say
from cli.session import run
from cli.times import duration
from cli.who import who
from db.models import ApiKey
from runtime.client import Client
from services import keys
from services.keys import NewKey

app = typer.Typer(help="Keys: what programs send as `Authorization: Bearer KEY`.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The key's name; it owns the jobs it makes.", show_default=False)]
Names = Annotated[str | None, typer.Option(help="Separated by commas; all if not given.", show_default=False)]
Scopes = Annotated[str, typer.Option(help="Separated by commas: read, enqueue, operate, admin, metrics.")]


@app.command()
def create(
    name: Name,
    scopes: Scopes = "read,enqueue",
    queues: Names = None,
    actors: Names = None,
    networks: Annotated[
        list[str] | None,
        typer.Option("--network", help="Accept it from there only: 10.0.0.0/8. May be repeated.", show_default=False),
    ] = None,
    expires_in: Annotated[str | None, typer.Option(help="How long it lives: 90d, 12h.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """A new key. It is printed alone, and never shown again."""
    lives = None if expires_in is None else duration(expires_in, "expires-in")

    async def command(client: Client) -> NewKey:
        async with client.session() as session:
            made = await keys.create(
                session, who(), name, _split(scopes) or [], queues=_split(queues), actors=_split(actors),
                only_from=networks or (), lives=lives,
            )  # fmt: skip
            await session.commit()
            return made

    _show(run(command), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All keys, without their secrets."""

    async def command(client: Client) -> list[ApiKey]:
        async with client.session() as session:
            return await keys.listed(session)

    found = run(command)
    if as_json:
        print_json([_document(key) for key in found])
    elif found:
        table = Table("name", "key", "scopes", "only queues", "only actors", "only from", "last used", "state")
        for key in found:
            last = f"{key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never"
            only = (", ".join(key.queues or ()), ", ".join(key.actors or ()), ", ".join(key.networks))
            table.add_row(
                escape(key.name), f"cb_{key.prefix}_…", ", ".join(key.scopes), *map(escape, only), last, _state(key)
            )
        Console().print(table)
    else:
        typer.echo("There is no key yet. Make one: callboard keys create NAME --scopes read,enqueue")


@app.command()
def rotate(
    name: Name,
    grace: Annotated[str, typer.Option(help="How long the old secret still opens: 1h, 2d.")] = "0s",
    as_json: AsJson = False,
) -> None:
    """A new secret for a key. It is printed alone, and never shown again."""
    overlap = duration(grace, "grace")

    async def command(client: Client) -> NewKey:
        async with client.session() as session:
            made = await keys.rotate(session, who(), name, overlap)
            await session.commit()
            return made

    _show(run(command), as_json)


@app.command()
def revoke(name: Name, yes: Yes = False, as_json: AsJson = False) -> None:
    """End a key for good, from the next request on."""

    async def found(client: Client) -> ApiKey:
        async with client.session() as session:
            return await keys.get(session, name)

    async def command(client: Client) -> ApiKey:
        async with client.session() as session:
            revoked = await keys.revoke(session, who(), name)
            await session.commit()
            return revoked

    run(found)  # what is not there needs no answer
    confirm(f"Revoke the key {name}, for good?", yes)
    say(as_json, _document(run(command)), f"The key {name} opens nothing any more.")


def _show(made: NewKey, as_json: bool) -> None:
    if as_json:
        print_json({**_document(made.row), "key": made.key})
    else:
        typer.echo(made.key)


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else ""


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "queues": key.queues,
        "actors": key.actors,
        "networks": key.networks,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
