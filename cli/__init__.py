"""`callboard …`: the commands, for production as for anywhere else. One file per noun; they call services only."""

import sys

import typer
from rich.console import Console

from cli import emails, keys, migrate, settings, suppressions, users
from errors import CallboardError

app = typer.Typer(
    help="A durable, async job runtime on Dramatiq.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show the values of variables, secrets among them
)
app.command("migrate")(migrate.migrate)
app.command("settings")(settings.settings)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(emails.app, name="emails")
app.add_typer(suppressions.app, name="suppressions")


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
