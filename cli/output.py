"""How commands answer: a table for people, JSON for programs."""

from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def print_json(value: Any) -> None:
    """Indented, with dates in ISO 8601 and UUIDs as text."""
    typer.echo(orjson.dumps(value, _plain, orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))


def say(as_json: bool, document: Any, text: str) -> None:
    """The document for programs, a sentence for people."""
    if as_json:
        print_json(document)
    else:
        typer.echo(text)


def _plain(value: Any) -> str:
    """asyncpg's ids are of a class of their own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
