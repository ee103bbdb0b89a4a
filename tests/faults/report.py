"""What a fault did to the jobs: a row of the table that `make faults` prints, and of docs/faults/results.json."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.support.process import ROOT

OUTCOMES = pytest.StashKey[list["Outcome"]]()
FILE = ROOT / "docs/faults/results.json"


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


def keep(outcomes: Sequence[Outcome], file: Path = FILE) -> None:
    """Write these to the file; faults that were not run this time keep what was found before."""
    before = json.loads(file.read_text())["faults"] if file.exists() else []
    rows = {row["fault"]: row for row in before} | {outcome.fault: asdict(outcome) for outcome in outcomes}
    file.write_text(json.dumps({"machine": machine(), "faults": sorted(rows.values(), key=str)}, indent=1) + "\n")
