"""`make dev`: the stack, its output in one terminal, started again when a file changes."""

import asyncio
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from watchfiles import PythonFilter, watch

from db.migrate import upgrade
from local.login import COMMANDS, first_admin
from local.machine import Machine
from local.stack import ROOT, Stack, complete

COLOURS = ("cyan", "green", "magenta", "yellow", "blue")
LOOK_EVERY = 250  # milliseconds
MIGRATIONS = f"{ROOT}/db/migrations/"
WATCHED = PythonFilter(extra_extensions=(".html", ".css", ".js"))


class Development:
    def __init__(self, machine: Machine, console: Console) -> None:
        self._machine, self._console = machine, console
        self._stack = Stack(machine.home, machine.environment)
        self._reported: set[str] = set()

    def run(self) -> None:
        """Until Ctrl-C. A process that ends (a mistake in the code) is reported, and starts with the next change."""
        login = asyncio.run(self._prepare())
        with self._stack.held():
            self._stack.start()
            self._console.print(
                f"{self._machine.url}, {login}. Ctrl-C stops it.\nCommands, in another terminal: {COMMANDS}",
                highlight=False,
                soft_wrap=True,
            )
            for changes in watch(ROOT, watch_filter=WATCHED, rust_timeout=LOOK_EVERY, yield_on_timeout=True):
                if changes:
                    names = ", ".join(sorted({path.removeprefix(f"{ROOT}/") for _, path in changes}))
                    self._console.print(f"Changed: {names}. Starting again.", style="bold", markup=False)
                    self._restart(migrate=any(path.startswith(MIGRATIONS) for _, path in changes))
                self._show_new_lines()
                self._report_the_ended()

    async def _prepare(self) -> str:
        await upgrade(self._machine.settings)
        return await first_admin(self._machine)

    def _restart(self, *, migrate: bool) -> None:
        self._stack.stop()
        self._show_new_lines()
        self._reported.clear()
        if migrate:
            self._migrate()
        self._stack.start()

    def _migrate(self) -> None:
        """By the code as it is now, in a process of its own: a mistake in it is shown, and can be mended."""
        done = subprocess.run(  # noqa: S603 (our own command)
            [Path(sys.executable).with_name("callboard"), "migrate"],
            cwd=ROOT, env=complete(self._machine.environment), capture_output=True, text=True,
        )  # fmt: skip
        self._console.print(done.stdout or done.stderr, end="", markup=False, highlight=False, soft_wrap=True)

    def _show_new_lines(self) -> None:
        for number, part in enumerate(self._stack.parts):
            for line in part.new_lines():
                prefix = Text(f"{part.name:<10}", style=COLOURS[number % len(COLOURS)])
                self._console.print(prefix + Text.from_ansi(line), soft_wrap=True)

    def _report_the_ended(self) -> None:
        for part in self._stack.ended():
            if part.name not in self._reported:
                self._reported.add(part.name)
                ended = f"{part.name} ended with {part.code}. It starts again when a file changes."
                self._console.print(ended, style="bold red", highlight=False)
