"""What a fault did to the jobs: a row of the table that `make faults` prints, and of docs/faults/results.json."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import pytest
from rich.console import Console
from rich.table import Table

from tests.support.process import ROOT

OUTCOMES = pytest.StashKey[list["Outcome"]]()
FILE = ROOT / "docs/faults/results.json"
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- figures: written by `make faults` -->", "<!-- end of the figures -->"
STOCK = "stock Dramatiq: "


@dataclass(frozen=True)
class Outcome:
    """Counts of jobs, and seconds."""

    fault: str
    jobs: int
    lost: int  # accepted, and never succeeded
    doubled: int  # effects in the jobs' own transactions beyond one a job
    more_runs: int  # starts beyond one a job
    seconds: float  # from the fault until the last job had ended
    restarted: float | None = None  # from the fault until the last interrupted job had been started again
    figures: dict[str, float] = field(default_factory=dict)


def table(outcomes: Sequence[Outcome]) -> Table:
    shown = Table("fault", title="What became of the jobs")
    for heading in ("jobs", "lost", "doubled", "runs beyond one", "ended after", "restarted within"):
        shown.add_column(heading, justify="right")
    shown.add_column("also")
    for outcome in outcomes:
        shown.add_row(
            outcome.fault,
            *(str(count) for count in (outcome.jobs, outcome.lost, outcome.doubled, outcome.more_runs)),
            f"{outcome.seconds:.1f} s",
            "" if outcome.restarted is None else f"{outcome.restarted:.1f} s",
            ", ".join(f"{value:g} {name}" for name, value in outcome.figures.items()),
        )
    return shown


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"


def show(outcomes: Sequence[Outcome]) -> None:
    Console(width=180).print(table(outcomes))


def keep(outcomes: Sequence[Outcome]) -> None:
    """Write these to the file and to the page; faults that were not run this time keep what was found before."""
    before = json.loads(FILE.read_text())["faults"] if FILE.exists() else []
    rows = {row["fault"]: row for row in before} | {outcome.fault: asdict(outcome) for outcome in outcomes}
    kept = sorted(rows.values(), key=lambda row: str(row["fault"]))
    FILE.write_text(json.dumps({"machine": machine(), "faults": kept}, indent=1) + "\n")
    before_it, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before_it}{BEGIN}\n\n{page([Outcome(**row) for row in kept])}\n{END}{rest.partition(END)[2]}")


def page(outcomes: Sequence[Outcome]) -> str:
    """The same table as Markdown: Callboard's rows, then those of stock Dramatiq under the same faults."""
    headings = ("fault", "jobs", "lost", "doubled", "runs beyond one", "ended after", "also")
    lines = [f"Measured on {machine()}.", "", f"| {' | '.join(headings)} |", "| --- " + "| ---: " * 5 + "| --- |"]
    for outcome in sorted(outcomes, key=lambda outcome: outcome.fault.startswith(STOCK)):
        restarted = [] if outcome.restarted is None else [f"restarted within {outcome.restarted:.1f} s"]
        also = ", ".join(restarted + [f"{value:g} {name}" for name, value in outcome.figures.items()])
        counts = f"{outcome.jobs:,} | {outcome.lost} | {outcome.doubled} | {outcome.more_runs}"
        lines.append(f"| {outcome.fault} | {counts} | {outcome.seconds:.1f} s | {also} |")
    return "\n".join(lines) + "\n"
