"""What a fault did to the jobs: a row of the table that `make faults` prints, and of docs/faults/results.json."""

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

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
    measured: str = ""  # on which machine, and when


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


def measured() -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    return f"on {machine}, {datetime.now(UTC):%Y-%m-%d}"


def show(outcomes: Sequence[Outcome]) -> None:
    Console(width=180).print(table(outcomes))


def keep(outcomes: Sequence[Outcome]) -> None:
    """Write these to the file and to the page; faults that were not run this time keep what was found before."""
    file = json.loads(FILE.read_text()) if FILE.exists() else {"faults": []}
    before = [{"measured": f"on {file.get('machine')}"} | row for row in file["faults"]]  # once it stood above them all
    found = [asdict(replace(outcome, measured=measured())) for outcome in outcomes]
    rows = {row["fault"]: row for row in [*before, *found]}
    kept = sorted(rows.values(), key=lambda row: str(row["fault"]))
    FILE.write_text(json.dumps({"faults": kept}, indent=1) + "\n")
    before_it, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before_it}{BEGIN}\n\n{page([Outcome(**row) for row in kept])}\n{END}{rest.partition(END)[2]}")


def page(outcomes: Sequence[Outcome]) -> str:
    """The same table as Markdown: Callboard's rows, then those of stock Dramatiq under the same faults. Above it stands
    when and where most rows were measured; those of another day or machine say so themselves."""
    usual = Counter(outcome.measured for outcome in outcomes).most_common(1)[0][0]
    headings = ("fault", "jobs", "lost", "doubled", "runs beyond one", "ended after", "also")
    lines = [f"Measured {usual}.", "", f"| {' | '.join(headings)} |", "| --- " + "| ---: " * 5 + "| --- |"]
    for outcome in sorted(outcomes, key=lambda outcome: outcome.fault.startswith(STOCK)):
        restarted = [] if outcome.restarted is None else [f"restarted within {outcome.restarted:.1f} s"]
        figures = [f"{value:g} {name}" for name, value in outcome.figures.items()]
        elsewhere = [] if outcome.measured == usual else [f"measured {outcome.measured}"]
        also = ", ".join(restarted + figures + elsewhere)
        counts = f"{outcome.jobs:,} | {outcome.lost} | {outcome.doubled} | {outcome.more_runs}"
        lines.append(f"| {outcome.fault} | {counts} | {outcome.seconds:.1f} s | {also} |")
    return "\n".join(lines) + "\n"
