"""The set-up steps in the terminal: a spinner while one runs, and a line with its seconds when it is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        # Where the output is no terminal, the spinner shows nothing and only the line remains.
        with self._console.status(title):
            yield
        self._console.print(f"{title:<40} {time.monotonic() - started:5.1f} s", highlight=False, markup=False)
