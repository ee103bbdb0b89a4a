"""`callboard …`: the commands, for production as for anywhere else. One file per noun; they call services only."""

import importlib
import sys
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from errors import CallboardError

# Each is a module of this folder that has an `app`, or a function of its own name.
NOUNS = (
    "status",
    "enqueue",
    "jobs",
    "dead",
    "errors",
    "queues",
    "actors",
    "limits",
    "workers",
    "schedules",
    "workflows",
    "emails",
    "suppressions",
    "webhooks",
    "users",
    "keys",
    "migrate",
    "settings",
)


class Nouns(TyperGroup):
    """Loads a command when it is called: `callboard settings` must work where the settings are so wrong that the actors
    cannot be loaded, and none has to wait for what another needs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in NOUNS:
            return None
        module = importlib.import_module(f"cli.{cmd_name}")
        if hasattr(module, "app"):
            command: Any = typer.main.get_group(module.app)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(getattr(module, cmd_name))
            command = typer.main.get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Nouns,
    help="A durable, async job runtime on Dramatiq.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show the values of variables, secrets among them
)


@app.callback()
def callboard() -> None:
    """Settings come from the environment, .env or callboard.toml."""


def main() -> None:
    """An error of ours is one message, and an exit code that tells scripts its kind (cli/output.py)."""
    try:
        app()
    except CallboardError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
