"""`python -m local …`: what the Makefile calls. `callboard …` has the commands that production has too."""

import asyncio
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from errors import CallboardError
from local import home, machine, servers
from local.development import Development
from local.stack import ROOT, complete
from local.steps import Steps
from settings import load

app = typer.Typer(
    help="Callboard on one machine.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Console()

Once = Annotated[bool, typer.Option(envvar="ONCE", help="End when the three jobs have, with 0 if they ended well.")]
Since = Annotated[float, typer.Option(help="When it all began, in seconds since 1970.", show_default=False)]


@app.command()
def demo(once: Once = False, since: Since = 0) -> None:
    """Everything on this machine, with real mail leaving."""
    began = since or time.time()
    with machine.prepared(Steps(console)) as prepared, until_interrupted():
        # Not before: it imports the actors, and with them the broker, which wants to know its Redis.
        from local.demo import play

        asyncio.run(play(prepared, console, once, began))


@app.command()
def dev() -> None:
    """The whole stack, started again when a file changes."""
    with machine.prepared(Steps(console)) as prepared, until_interrupted():
        Development(prepared, console).run()


@app.command("servers")
def run_servers() -> None:
    """PostgreSQL and Valkey, until Ctrl-C."""
    settings = load()
    with (
        servers.running(settings.callboard_home, servers.given(settings), Steps(console)),
        until_interrupted(),
    ):
        console.print(
            'Both run. In another terminal: eval "$(.venv/bin/python -m local env)". Ctrl-C stops them.', soft_wrap=True
        )
        signal.pause()


@app.command()
def env() -> None:
    """The exports for commands of your own (`dramatiq actors`), on the servers that run now."""
    for name, url in servers.found_running(load()).items():
        typer.echo(f"export {name}={shlex.quote(url)}")


@app.command()
def run(
    command: Annotated[str, typer.Argument(help="A shell command.")],
    fresh: Annotated[bool, typer.Option(help="On servers of its own that are thrown away, whatever is set.")] = False,
) -> None:
    """Run a command with DATABASE_URL and REDIS_URL set."""
    settings = load()
    with (
        temporary_home() if fresh else existing_home(settings.callboard_home) as folder,
        servers.running(folder, {} if fresh else servers.given(settings)) as urls,
    ):
        environment = complete(urls | {"CALLBOARD_HOME": str(folder)})
        code = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, env=environment).returncode  # noqa: S603 (it is ours)
    raise typer.Exit(code)


@contextmanager
def temporary_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="callboard-"))
    try:
        yield home.prepare(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def existing_home(folder: Path) -> Iterator[Path]:
    yield home.prepare(folder)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Ctrl-C is how it ends, not an error."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("\nStopped.")


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # both end it as Ctrl-C does: in order
    try:
        app()
    except CallboardError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
