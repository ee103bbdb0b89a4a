"""How commands answer: a table for people, JSON for programs."""

from typing import Annotated, Any

import orjson
import typer

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def print_json(value: Any) -> None:
    """Indented, with dates in ISO 8601 and UUIDs as text."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
