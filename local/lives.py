"""The lives of a few jobs in the terminal: a live table, or a line for each change where there is no terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from db.models import Job
from services.search import shown_state

STYLES = {"queued": "cyan", "running": "yellow", "retrying": "magenta", "succeeded": "green", "failed": "red"}


class Lives:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._shown: dict[object, tuple[str, int]] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        if self._console.is_terminal:
            with self._live:
                yield
        else:
            yield

    def update(self, jobs: Sequence[Job]) -> None:
        if self._console.is_terminal:
            self._live.update(_table(jobs), refresh=True)
            return
        for job in jobs:
            if self._shown.get(job.id) != (shown_state(job), job.attempt):
                self._shown[job.id] = (shown_state(job), job.attempt)
                line = "{}  {:<20} {:<10} {}  {:<9}  {}".format(*_cells(job)).rstrip()
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(jobs: Sequence[Job]) -> Table:
    table = Table("job", "to", "state", "attempt", "next run", "last error", expand=True)
    for job in jobs:
        table.add_row(*map(escape, _cells(job)), style=STYLES.get(shown_state(job), ""))
    return table


def _cells(job: Job) -> tuple[str, ...]:
    error = job.error["message"] if job.error else ""
    to = (
        job.tags[0] if job.tags else ""
    )  # whom a mail goes to stands in its own row; the demo's jobs are tagged with it
    return str(job.id)[-12:], to, shown_state(job), f"attempt {job.attempt}", _next_run(job), error


def _next_run(job: Job) -> str:
    if job.state != "queued":
        return ""
    return f"in {max(0, (job.run_at - datetime.now(UTC)).total_seconds()):.1f} s"
