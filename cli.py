"""`callboard …`: the commands, for production as for anywhere else."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

from db.database import UNAVAILABLE, Database
from db.migrate import current_revision, upgrade
from errors import CallboardError, ConfigurationError, ServerUnavailable
from settings import Settings, load

app = typer.Typer(
    help="A durable, async job runtime on Dramatiq.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show the values of variables, secrets among them
)

MASK = "********"
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.callback()
def callboard() -> None:
    """Settings come from the environment, .env or callboard.toml."""


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    at = asyncio.run(_migrate(load()))
    typer.echo(f"The database is at revision {at}.")


async def _migrate(settings: Settings) -> str | None:
    database = Database(settings)
    try:
        await upgrade(settings)
        at, _ = await current_revision(database)
    except (*UNAVAILABLE, SQLAlchemyError) as error:
        # The reason alone: a driver's whole message can hold the URL.
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ServerUnavailable(
            f"The database {shown(settings.database_url)} could not be migrated: {reason}\n"
            "Start it, or correct DATABASE_URL, and run `callboard migrate` again."
        ) from error
    finally:
        await database.close()
    return at


@dataclass(frozen=True)
class Setting:
    name: str
    value: str | int | float | None
    default: str | int | float | None
    is_set: bool
    meaning: str


@app.command()
def settings(as_json: AsJson = False) -> None:
    """Every setting: its value, secrets masked, and what it means."""
    try:
        current, wrong = load(), None
    except ConfigurationError as error:
        current, wrong = None, error  # the list is what the error asks to look at: show it all the same
    listed = [_setting(name, field, current) for name, field in Settings.model_fields.items()]
    if as_json:
        typer.echo(json.dumps([asdict(setting) for setting in listed], indent=2))
    else:
        Console().print(_table(listed))
    if wrong:
        raise wrong


def _setting(name: str, field: FieldInfo, current: Settings | None) -> Setting:
    return Setting(
        name=name.upper(),
        value=shown(getattr(current, name)) if current else None,
        default=shown(field.get_default(call_default_factory=True, validated_data={})),
        is_set=bool(current and name in current.model_fields_set),
        meaning=field.description or "",
    )


def shown(value: object) -> str | int | float | None:
    """A setting as it may be shown: no passwords, neither alone nor in a URL."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, SecretStr):
        return MASK
    text = str(value)
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        return text
    login, at, address = parts.netloc.rpartition("@")
    login = f"{login.split(':')[0]}:{MASK}" if ":" in login else login
    query = f"?{MASK}" if parts.query else ""  # it can hold a password too
    return f"{parts.scheme}://{login}{at}{address}{parts.path}{query}"


def _table(listed: list[Setting]) -> Table:
    table = Table(Column("setting", no_wrap=True), Column("value", overflow="fold"), "meaning")
    for setting in listed:
        value = "" if setting.value is None else str(setting.value)
        table.add_row(setting.name, escape(value), escape(setting.meaning), style="bold" if setting.is_set else "")
    table.caption = "Bold: set in the environment, .env or callboard.toml. The others have their default."
    return table


def main() -> None:
    """An error of ours is one message, and exit code 1."""
    try:
        app()
    except CallboardError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
