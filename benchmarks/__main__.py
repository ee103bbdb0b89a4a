"""`python -m benchmarks`: stock Dramatiq and Callboard in turns, on the same servers."""

import asyncio
import signal
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from benchmarks.machine import describe
from benchmarks.mail import MAIL
from benchmarks.place import Place
from benchmarks.report import Report, Results
from benchmarks.scenarios import SCENARIOS as ENGINE
from benchmarks.scenarios import Scenario
from benchmarks.webhooks import WEBHOOKS
from db.migrate import upgrade
from errors import CallboardError
from settings import Settings

SCENARIOS = (*ENGINE, MAIL, WEBHOOKS)
KEYS = ", ".join(scenario.key for scenario in SCENARIOS)


async def run(place: Place, scenarios: list[Scenario], rounds: int, console: Console) -> Report:
    about = await describe(place) | {"figures": f"medians of {rounds} rounds (least to most)"}
    results: Results = defaultdict(list)
    for number in range(1, rounds + 1):
        for scenario in scenarios:
            # The order turns with the rounds: whoever comes second finds the machine warmer.
            for system in scenario.systems if number % 2 else scenario.systems[::-1]:
                measured = await scenario.measure(place, system)
                results[scenario.key, system.name].append(measured)
                figures = ", ".join(f"{value:,.1f} {figure}" for figure, value in measured.figures.items())
                console.print(f"round {number}: {scenario.title}, {system.name}: {figures}", highlight=False)
    return Report(about, scenarios, results)


async def prepare_and_run(
    place: Place, scenarios: list[Scenario], rounds: int, appendfsync: str | None, console: Console
) -> Report:
    await upgrade(place.settings())
    async with place.appendfsync(appendfsync):
        return await run(place, scenarios, rounds, console)


def _default(setting: str) -> int:
    return int(Settings.model_fields[setting].default)


def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Which scenarios ({KEYS}); all if none is named.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured; the tables show medians.")] = 3,
    concurrency: Annotated[int, typer.Option(min=1, help="Callboard's ASYNC_CONCURRENCY.")] = _default(
        "async_concurrency"
    ),
    window: Annotated[int, typer.Option(min=10, help="Callboard's DISPATCH_WINDOW.")] = _default("dispatch_window"),
    appendfsync: Annotated[
        Literal["always", "everysec"] | None, typer.Option(help="Redis's, for the time of the run; as it is if unset.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for everything that was measured.")] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Such a file of an earlier run: adds what this one leaves out."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="A file for the tables; in docs/benchmarks.md they have their place.")
    ] = None,
) -> None:
    """Measure stock Dramatiq and Callboard side by side, on DATABASE_URL and REDIS_URL or on embedded servers."""
    wrong = set(only or []) - {scenario.key for scenario in SCENARIOS}
    if wrong:
        raise typer.BadParameter(f"{', '.join(sorted(wrong))}: no such scenario. There are: {KEYS}.")
    scenarios = [scenario for scenario in SCENARIOS if not only or scenario.key in only]
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started and made is put away again
    options = {"ASYNC_CONCURRENCY": str(concurrency), "DISPATCH_WINDOW": str(window)}
    try:
        with Place.made(options) as place:
            report = asyncio.run(prepare_and_run(place, scenarios, rounds, appendfsync, console))
    except CallboardError as error:
        console.print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    for file in earlier or []:
        report.add(file, SCENARIOS)
    report.print(console)
    if json:
        json.write_text(report.json())
    if markdown:
        report.write_markdown(markdown)


if __name__ == "__main__":
    typer.run(main)
