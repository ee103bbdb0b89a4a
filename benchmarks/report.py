"""The results as tables for people and as JSON for programs."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.memory import Memory
from benchmarks.scenarios import CALLBOARD, STOCK, STOCK_256, Measured, Scenario

Results = dict[tuple[str, str], list[Measured]]  # by scenario and system, a round each

SPEED = ["", STOCK.name, STOCK_256.name, CALLBOARD.name, "Callboard : stock", "goal"]
MEMORY = ["worker process, RSS / PSS in MB", STOCK.name, STOCK_256.name, CALLBOARD.name, "goal"]
BEGIN, END = "<!-- figures: written by --markdown -->", "<!-- end of the figures -->"
WORKER_GOAL = "≤ 110 MB"


class Report:
    def __init__(self, about: dict[str, str], scenarios: list[Scenario], results: Results) -> None:
        self._about, self._scenarios, self._results = about, scenarios, results

    def add(self, earlier: Path, scenarios: Sequence[Scenario]) -> None:
        """The rounds that an earlier run kept with --json, of scenarios that were not measured in this one."""
        kept = json.loads(earlier.read_text())
        mine = {scenario.key for scenario in self._scenarios}
        rounds = [measured for measured in kept["rounds"] if measured["scenario"] not in mine]
        for measured in rounds:
            memory = {part: Memory(*values) for part, values in measured["memory"].items()}
            self._results[measured["scenario"], measured["system"]].append(
                Measured(measured["figures"], memory, measured["details"])
            )
        keys = mine | {measured["scenario"] for measured in rounds}
        self._scenarios = [scenario for scenario in scenarios if scenario.key in keys]
        added = ", ".join(scenario.key for scenario in self._scenarios if scenario.key not in mine)
        self._about[f"measured in an earlier run ({added})"] = f"{kept['about']['date']}; {kept['about']['machine']}"

    def print(self, console: Console) -> None:
        for name, value in self._about.items():
            console.print(f"[bold]{name}[/bold]: {value}", highlight=False)
        for header, rows in ((SPEED, self._speed()), (MEMORY, self._memory())):
            table = Table(*header)
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for line in self._others():
            console.print(line, highlight=False)

    def markdown(self) -> str:
        about = "\n".join(f"- {name}: {value}" for name, value in self._about.items())
        tables = "\n\n".join(
            _markdown(header, rows) for header, rows in ((SPEED, self._speed()), (MEMORY, self._memory()))
        )
        return f"{about}\n\n{tables}\n\n" + "\n".join(f"- {line}" for line in self._others()) + "\n"

    def write_markdown(self, file: Path) -> None:
        """Into the place that a page keeps for it (docs/benchmarks.md does), or as a file of its own."""
        page = file.read_text() if file.exists() else ""
        if BEGIN not in page:
            file.write_text(self.markdown())
            return
        before, rest = page.split(BEGIN, 1)
        file.write_text(f"{before}{BEGIN}\n\n{self.markdown()}\n{END}{rest.partition(END)[2]}")

    def json(self) -> str:
        rounds = [
            {"scenario": scenario, "system": system, "round": number, **dataclasses.asdict(measured)}
            for (scenario, system), all_measured in self._results.items()
            for number, measured in enumerate(all_measured, 1)
        ]
        return json.dumps({"about": self._about, "rounds": rounds}, indent=1, default=str) + "\n"

    def _speed(self) -> list[list[str]]:
        rows = []
        for scenario in self._scenarios:
            for figure, goal in scenario.goals.items():
                values = {name: self._figures(scenario, name, figure) for name in SPEED[1:4]}
                ratios = [_ratio(values[CALLBOARD.name], values[name]) for name in SPEED[1:3] if values[name]]
                cells = [_spread(values[name]) for name in SPEED[1:4]]
                rows.append([f"{scenario.title}, {figure}", *cells, " / ".join(ratios), goal])
        return rows

    def _memory(self) -> list[list[str]]:
        rows = []
        for scenario in self._scenarios:
            cells = [self._memory_of(scenario, name, "worker") for name in MEMORY[1:4]]
            if any(cells):
                rows.append([f"after {scenario.title}", *cells, WORKER_GOAL])
        return rows

    def _others(self) -> list[str]:
        """What belongs to the figures and fits no table."""
        lines = []
        for part, what in (("main", "Dramatiq's main process"), ("scheduler", "Scheduler")):
            found = [
                f"{name} {memory}"
                for name in SPEED[1:4]
                if (memory := next(filter(None, (self._memory_of(s, name, part) for s in self._scenarios)), ""))
            ]
            if found:
                lines.append(f"{what}, RSS / PSS in MB: {'; '.join(found)}")
        for (key, system), measured in self._results.items():
            if system not in SPEED:
                title = next(scenario.title for scenario in self._scenarios if scenario.key == key)
                figures = {figure: [one.figures[figure] for one in measured] for figure in measured[0].figures}
                lines += [f"{title}, {system}, {figure}: {_spread(values)}" for figure, values in figures.items()]
        for scenario in self._scenarios:
            details = [measured.details for measured in self._results.get((scenario.key, CALLBOARD.name), [])]
            if details and "wal_bytes_per_job" in details[0]:
                lines.append(f"{scenario.title}, in PostgreSQL, for each job: {_cost(details)}")
        return lines

    def _figures(self, scenario: Scenario, system: str, figure: str) -> list[float]:
        return [measured.figures[figure] for measured in self._results.get((scenario.key, system), [])]

    def _memory_of(self, scenario: Scenario, system: str, part: str) -> str:
        found = [m.memory[part] for m in self._results.get((scenario.key, system), []) if part in m.memory]
        if not found:
            return ""
        return f"{statistics.median(m.rss for m in found):.0f} / {statistics.median(m.pss for m in found):.0f}"


def _cost(details: list[dict[str, Any]]) -> str:
    def of(name: str) -> float:
        return float(statistics.median(measured[f"{name}_per_job"] for measured in details))

    return (
        f"{of('wal_bytes'):,.0f} bytes of WAL, {of('updates'):.2f} updates"
        f" ({of('hot_updates'):.2f} of them HOT), {of('commits'):.3f} commits"
    )


def _spread(values: list[float]) -> str:
    """The median, and from the least to the most."""
    if not values:
        return ""
    form = "{:,.0f}" if statistics.median(values) >= 100 else "{:,.1f}"
    median, least, most = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({least} to {most})"


def _ratio(ours: list[float], theirs: list[float]) -> str:
    if not ours:
        return ""
    return f"{statistics.median(ours) / statistics.median(theirs):.2g}x"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
